/* Stacks of fibers and the switch between them.
 *
 * Address space is cheap, touched pages are not: of the pooled stacks only a few keep their pages, so that an
 * idle daemon stays small after a burst. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/fiber_stack.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if defined(FIBER_ASAN) || defined(FIBER_TSAN)
#define FIBER_STACK_BYTES ((size_t)1 << 20) /* instrumented frames are several times larger */
#else
#define FIBER_STACK_BYTES ((size_t)256 << 10)
#endif
#define FIBER_GUARD_BYTES ((size_t)64 << 10) /* a multiple of every page size */
#define FIBER_POOL_WARM 8
#define FIBER_POOL_MAX 32

/* Lies at the upper end of its own mapping. */
struct FiberStack {
    FiberStack *next;
    char *mapping;
};

static struct {
    FiberStack *free;
    unsigned n_free;
} fiber_pool;

static char *fiber_stack_bottom(const FiberStack *stack)
{
    return stack->mapping + FIBER_GUARD_BYTES;
}

/* The stack begins below the FiberStack, 64-byte aligned. */
static char *fiber_stack_top(const FiberStack *stack)
{
    return (char *)((uintptr_t)stack & ~(uintptr_t)63);
}

FiberStack *fiber_stack_new(void)
{
    FiberStack *stack = fiber_pool.free;
    if (stack) {
        fiber_pool.free = stack->next;
        fiber_pool.n_free--;
        return stack;
    }
    size_t size = FIBER_GUARD_BYTES + FIBER_STACK_BYTES;
    char *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED)
        return NULL;
    if (mprotect(mapping, FIBER_GUARD_BYTES, PROT_NONE) < 0) { /* no map left for the guard */
        (void)munmap(mapping, size);
        return NULL;
    }
    /* A huge page per stack would make each cost 2 MiB. */
    (void)madvise(mapping, size, MADV_NOHUGEPAGE);
    stack = (FiberStack *)(mapping + size - sizeof(FiberStack));
    stack->mapping = mapping;
    return stack;
}

static void fiber_stack_unmap(FiberStack *stack)
{
    (void)munmap(stack->mapping, FIBER_GUARD_BYTES + FIBER_STACK_BYTES);
}

void fiber_stack_free(FiberStack *stack)
{
#ifdef FIBER_ASAN
    /* Frames that never returned left poison behind. */
    ASAN_UNPOISON_MEMORY_REGION(fiber_stack_bottom(stack),
                                (size_t)(fiber_stack_top(stack) - fiber_stack_bottom(stack)));
#endif
    if (fiber_pool.n_free >= FIBER_POOL_MAX) {
        fiber_stack_unmap(stack);
        return;
    }
    /* All but the page that holds the FiberStack itself. */
    if (fiber_pool.n_free >= FIBER_POOL_WARM) {
        uintptr_t last_page = (uintptr_t)stack & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
        char *bottom = fiber_stack_bottom(stack);
        (void)madvise(bottom, last_page - (uintptr_t)bottom, MADV_DONTNEED);
    }
    stack->next = fiber_pool.free;
    fiber_pool.free = stack;
    fiber_pool.n_free++;
}

void fiber_stack_free_pool(void)
{
    for (FiberStack *stack; (stack = fiber_pool.free);) {
        fiber_pool.free = stack->next;
        fiber_stack_unmap(stack);
    }
    fiber_pool.n_free = 0;
}

#ifdef FIBER_ASM

/* Saves the callee-saved registers and the stack pointer in *save_sp, and takes up what @sp was saved as. The
 * floating point control words are not switched: nothing here changes them. */
extern void fiber_asm_switch(void **save_sp, void *sp) __attribute__((visibility("hidden")));
extern void fiber_asm_start(void) __attribute__((visibility("hidden")));

#if defined(__x86_64__)
__asm__(".text\n"
        ".p2align 4\n"
        ".hidden fiber_asm_switch\n"
        ".globl fiber_asm_switch\n"
        ".type fiber_asm_switch, @function\n"
        "fiber_asm_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size fiber_asm_switch, . - fiber_asm_switch\n"
        ".p2align 4\n"
        ".hidden fiber_asm_start\n"
        ".globl fiber_asm_start\n"
        ".type fiber_asm_start, @function\n"
        "fiber_asm_start:\n"
        ".cfi_startproc\n"
        ".cfi_undefined %rip\n" /* backtraces end here */
        "    movq %r13, %rdi\n"
        "    callq *%r12\n"
        "    ud2\n"
        ".cfi_endproc\n"
        ".size fiber_asm_start, . - fiber_asm_start\n");

static void *fiber_asm_frame(char *top, void (*func)(void *arg), void *arg)
{
    /* As fiber_asm_switch pops it: r15 r14 r13 r12 rbx rbp, return address; then 16-byte aligned. */
    void **frame = (void **)(top - 16) - 7;
    frame[0] = frame[1] = NULL;
    frame[2] = arg;
    frame[3] = (void *)func;
    frame[4] = frame[5] = NULL;
    frame[6] = (void *)fiber_asm_start;
    frame[7] = NULL;
    return frame;
}
#elif defined(__aarch64__)
__asm__(".text\n"
        ".p2align 4\n"
        ".hidden fiber_asm_switch\n"
        ".globl fiber_asm_switch\n"
        ".type fiber_asm_switch, %function\n"
        "fiber_asm_switch:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size fiber_asm_switch, . - fiber_asm_switch\n"
        ".p2align 4\n"
        ".hidden fiber_asm_start\n"
        ".globl fiber_asm_start\n"
        ".type fiber_asm_start, %function\n"
        "fiber_asm_start:\n"
        ".cfi_startproc\n"
        ".cfi_undefined x30\n"
        "    mov x0, x20\n"
        "    blr x19\n"
        "    brk #0\n"
        ".cfi_endproc\n"
        ".size fiber_asm_start, . - fiber_asm_start\n");

static void *fiber_asm_frame(char *top, void (*func)(void *arg), void *arg)
{
    void **frame = (void **)(top - 160);
    for (size_t i = 0; i < 20; i++)
        frame[i] = NULL;
    frame[0] = (void *)func;             /* x19 */
    frame[1] = arg;                      /* x20 */
    frame[11] = (void *)fiber_asm_start; /* x30 */
    return frame;
}
#endif

static void fiber_switch_raw(FiberContext *from, FiberContext *to)
{
    fiber_asm_switch(&from->sp, to->sp);
}

#else

/* makecontext() passes ints only. */
static void fiber_ucontext_start(unsigned high, unsigned low)
{
    FiberContext *context = (FiberContext *)((uintptr_t)high << 16 << 16 | (uintptr_t)low);
    context->func(context->arg);
    abort();
}

static void fiber_switch_raw(FiberContext *from, FiberContext *to)
{
    (void)swapcontext(&from->uc, &to->uc); /* cannot fail: both were filled in by it */
}

#endif

void fiber_context_make(FiberContext *context, FiberStack *stack, void (*func)(void *arg), void *arg)
{
    char *bottom = fiber_stack_bottom(stack), *top = fiber_stack_top(stack);
#ifdef FIBER_ASM
    context->sp = fiber_asm_frame(top, func, arg);
    (void)bottom;
#else
    context->func = func;
    context->arg = arg;
    (void)getcontext(&context->uc);
    context->uc.uc_stack.ss_sp = bottom;
    context->uc.uc_stack.ss_size = (size_t)(top - bottom);
    context->uc.uc_link = NULL;
    uintptr_t address = (uintptr_t)context;
    makecontext(&context->uc, (void (*)(void))fiber_ucontext_start, 2, (unsigned)(address >> 16 >> 16),
                (unsigned)address);
#endif
#ifdef FIBER_ASAN
    context->fake_stack = NULL;
    context->stack_bottom = bottom;
    context->stack_size = (size_t)(top - bottom);
#endif
#ifdef FIBER_TSAN
    context->tsan_fiber = __tsan_create_fiber(0);
#endif
}

/* Tells the sanitizers of the switch that comes next. */
static void fiber_announce(FiberContext *from, FiberContext *to, bool from_returns)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(from_returns ? &from->fake_stack : NULL, to->stack_bottom, to->stack_size);
#endif
#ifdef FIBER_TSAN
    if (!from->tsan_fiber)
        from->tsan_fiber = __tsan_get_current_fiber(); /* the loop's own stack */
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
}

void fiber_context_switch(FiberContext *from, FiberContext *to)
{
    fiber_announce(from, to, true);
    fiber_switch_raw(from, to);
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

void fiber_context_entered(FiberContext *self, FiberContext *from)
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(NULL, &from->stack_bottom, &from->stack_size);
#endif
}

void fiber_context_leave(FiberContext *self, FiberContext *to)
{
    fiber_announce(self, to, false);
    fiber_switch_raw(self, to);
    g_assert_not_reached();
}

void fiber_context_clear(FiberContext *context)
{
#ifdef FIBER_TSAN
    __tsan_destroy_fiber(context->tsan_fiber);
#endif
}
