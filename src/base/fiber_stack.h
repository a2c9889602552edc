/* Stacks of fibers and the switch between them; for fiber.c alone. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* gcc defines the macros, clang answers __has_feature(). */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif

/* Our own switch saves what the calling convention asks for and makes no system call; swapcontext() changes
 * the signal mask twice. With a shadow stack only the C library knows how to switch. */
#if defined(FIBER_UCONTEXT) /* by hand, to test the fallback */
#include <ucontext.h>
#elif defined(__x86_64__) && !(defined(__CET__) && (__CET__ & 2))
#define FIBER_ASM 1
#elif defined(__aarch64__)
#define FIBER_ASM 1
#else
#include <ucontext.h>
#endif

typedef struct FiberStack FiberStack;

typedef struct FiberContext {
#ifdef FIBER_ASM
    void *sp;
#else
    ucontext_t uc;
    void (*func)(void *arg);
    void *arg;
#endif
#ifdef FIBER_ASAN
    void *fake_stack;
    const void *stack_bottom;
    size_t stack_size;
#endif
#ifdef FIBER_TSAN
    void *tsan_fiber;
#endif
} FiberContext;

/* 256 KiB with a guard page below; from the pool if one is free. NULL: the kernel has no memory or no map
 * left for it. */
FiberStack *fiber_stack_new(void);
void fiber_stack_free(FiberStack *stack); /* back to the pool, or unmapped */
void fiber_stack_free_pool(void);

/* The first switch to @context calls @func(@arg) on @stack; it must begin with fiber_context_entered() and
 * end with fiber_context_leave(), never return. */
void fiber_context_make(FiberContext *context, FiberStack *stack, void (*func)(void *arg), void *arg);
void fiber_context_switch(FiberContext *from, FiberContext *to);
void fiber_context_entered(FiberContext *self, FiberContext *from);
void fiber_context_leave(FiberContext *self, FiberContext *to);
void fiber_context_clear(FiberContext *context); /* after it has left */
