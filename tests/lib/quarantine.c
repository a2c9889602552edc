/* An allocator that finds writes to freed memory, wherever they happen: in us, or in a library on our behalf,
 * where the address sanitizer is blind. For LD_PRELOAD below a program that was built without sanitizers.
 *
 * A freed block is filled with a pattern and put in quarantine; when it leaves (the oldest first, or at the
 * end of the process) the pattern must be whole. Each finding is one line on stderr that begins with
 * "quarantine:". With LODGE_QUARANTINE_TRACE in the environment the line is followed by who freed the block
 * (much slower). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS_MAX 65536
#define BYTES_MAX ((size_t)128 << 20)
#define TRACE_DEPTH 10
#define PATTERN 0xd5
#define ALIGNMENT ((size_t)16)

enum { MAGIC_USED = 0x75736564, MAGIC_FREED = 0x66726565 };

/* In front of each block. */
typedef struct Header {
    _Alignas(16) void *raw; /* what the C library gave */
    size_t size;
    uint32_t magic;
    uint32_t n_trace;
    void *trace[TRACE_DEPTH];
} Header;

/* The C library's own names: these are never ours. */
extern void *__libc_malloc(size_t size);
extern void __libc_free(void *block);

/* What the C library declares with attributes that would make gcc check the definitions below. */
void *memalign(size_t alignment, size_t size);
size_t malloc_usable_size(void *block);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Header *ring[BLOCKS_MAX]; /* oldest at ring[first] */
static size_t first, count, bytes;
static bool traces;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)!write(STDERR_FILENO, text, (size_t)len);
}

static Header *header_of(void *block)
{
    return (Header *)block - 1;
}

void *memalign(size_t alignment, size_t size)
{
    if (alignment < ALIGNMENT)
        alignment = ALIGNMENT;
    char *raw = size < SIZE_MAX / 2 ? __libc_malloc(size + sizeof(Header) + alignment) : NULL;
    if (!raw) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t block = ((uintptr_t)raw + sizeof(Header) + alignment - 1) & ~(uintptr_t)(alignment - 1);
    *header_of((void *)block) = (Header){ .raw = raw, .size = size, .magic = MAGIC_USED };
    return (void *)block;
}

void *malloc(size_t size)
{
    return memalign(ALIGNMENT, size);
}

void *calloc(size_t n, size_t each)
{
    size_t size;
    if (__builtin_mul_overflow(n, each, &size)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = malloc(size);
    if (block)
        memset(block, 0, size);
    return block;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **ret_block, size_t alignment, size_t size)
{
    void *block = memalign(alignment, size);
    if (block)
        *ret_block = block;
    return block ? 0 : ENOMEM;
}

size_t malloc_usable_size(void *block)
{
    return block ? header_of(block)->size : 0;
}

static void release(Header *header)
{
    const unsigned char *data = (const unsigned char *)(header + 1);
    size_t at = 0;
    while (at < header->size && data[at] == PATTERN)
        at++;
    if (at < header->size) {
        say("quarantine: a freed block of %zu bytes was written to at offset %zu\n", header->size, at);
        if (header->n_trace > 0)
            backtrace_symbols_fd(header->trace, (int)header->n_trace, STDERR_FILENO);
    }
    __libc_free(header->raw);
}

static Header *take_oldest(void)
{
    Header *oldest = ring[first];
    first = (first + 1) % BLOCKS_MAX;
    count--;
    bytes -= oldest->size;
    return oldest;
}

void free(void *block)
{
    if (!block)
        return;
    int saved = errno;
    Header *header = header_of(block);
    if (header->magic != MAGIC_USED) {
        say("quarantine: a block is freed %s\n", header->magic == MAGIC_FREED ? "twice" : "that is none");
        abort();
    }
    header->magic = MAGIC_FREED;
    if (traces)
        header->n_trace = (uint32_t)backtrace(header->trace, TRACE_DEPTH);
    memset(block, PATTERN, header->size);
    pthread_mutex_lock(&lock);
    while (count > 0 && (count == BLOCKS_MAX || bytes + header->size > BYTES_MAX))
        release(take_oldest());
    ring[(first + count) % BLOCKS_MAX] = header;
    count++;
    bytes += header->size;
    pthread_mutex_unlock(&lock);
    errno = saved;
}

void *realloc(void *block, size_t size)
{
    if (!block)
        return malloc(size);
    if (size == 0) {
        free(block);
        return NULL;
    }
    void *moved = malloc(size);
    if (!moved)
        return NULL;
    size_t old = header_of(block)->size;
    memcpy(moved, block, old < size ? old : size);
    free(block);
    return moved;
}

__attribute__((constructor)) static void begin(void)
{
    void *ignored[1];
    (void)backtrace(ignored, 1); /* loads its library now */
    traces = getenv("LODGE_QUARANTINE_TRACE") != NULL;
}

__attribute__((destructor)) static void end(void)
{
    pthread_mutex_lock(&lock);
    while (count > 0)
        release(take_oldest());
    pthread_mutex_unlock(&lock);
}
