/* Chunks: hash and compression. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/chunk.h"

#include <string.h>
#include <zstd.h>

#include "base/digest.h"

struct ChunkCodec {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *expand;
    void *frame; /* CHUNK_FRAME_MAX */
};

bool hash_is_null(const Hash *hash)
{
    return chunk_is_zero(hash->bytes, HASH_BYTES);
}

bool hash_equal(const Hash *a, const Hash *b)
{
    return memcmp(a->bytes, b->bytes, HASH_BYTES) == 0;
}

void hash_format(const Hash *hash, char ret_text[HASH_TEXT_LEN])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < HASH_BYTES; i++) {
        ret_text[2 * i] = digits[hash->bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[hash->bytes[i] & 15];
    }
    ret_text[HASH_TEXT_LEN - 1] = '\0';
}

bool hash_parse(const char *text, Hash *ret_hash)
{
    Hash hash = { 0 };

    if (!text || strspn(text, "0123456789abcdef") != HASH_TEXT_LEN - 1 || text[HASH_TEXT_LEN - 1])
        return false;
    for (size_t i = 0; i < HASH_BYTES; i++)
        hash.bytes[i] =
            (uint8_t)(g_ascii_xdigit_value(text[2 * i]) << 4 | g_ascii_xdigit_value(text[2 * i + 1]));
    *ret_hash = hash;
    return true;
}

void hash_of(const void *data, size_t len, Hash *ret_hash)
{
    digest_of(GCRY_MD_SHA256, data, len, ret_hash->bytes);
}

bool chunk_is_zero(const void *data, size_t len)
{
    const uint8_t *bytes = data;

    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

ChunkCodec *chunk_codec_new(int level)
{
    ChunkCodec *codec = g_new0(ChunkCodec, 1);

    g_assert(ZSTD_compressBound(CHUNK_BYTES) <= CHUNK_FRAME_MAX);
    codec->frame = g_malloc(CHUNK_FRAME_MAX);
    codec->expand = ZSTD_createDCtx();
    if (level) {
        codec->compress = ZSTD_createCCtx();
        (void)ZSTD_CCtx_setParameter(codec->compress, ZSTD_c_compressionLevel, level);
    }
    return codec;
}

void chunk_codec_free(ChunkCodec *codec)
{
    if (!codec)
        return;
    ZSTD_freeDCtx(codec->expand);
    ZSTD_freeCCtx(codec->compress);
    g_free(codec->frame);
    g_free(codec);
}

void *chunk_codec_room(ChunkCodec *codec)
{
    return codec->frame;
}

size_t chunk_compress(ChunkCodec *codec, const void *data, size_t len, const void **ret_frame)
{
    g_assert(codec->compress && len <= CHUNK_BYTES);
    const size_t n = ZSTD_compress2(codec->compress, codec->frame, CHUNK_FRAME_MAX, data, len);
    /* The room is what the library says is enough; only memory could be missing. */
    g_assert(!ZSTD_isError(n));
    *ret_frame = codec->frame;
    return n;
}

bool chunk_expand(ChunkCodec *codec, const void *frame, size_t frame_len, const Hash *hash, void *data,
                  size_t len, const char **ret_why)
{
    const size_t n = ZSTD_decompressDCtx(codec->expand, data, len, frame, frame_len);
    Hash found;

    if (ZSTD_isError(n) || n != len) {
        *ret_why = ZSTD_isError(n) ? "it cannot be decompressed" : "it has another length";
        return false;
    }
    hash_of(data, len, &found);
    *ret_why = "its content is not what it was";
    return hash_equal(&found, hash);
}
