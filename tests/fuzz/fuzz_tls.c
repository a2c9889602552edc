/* Fuzz target: what a peer sends while a handshake of TLS is under way, to either side of ours.
 *
 * The first byte chooses: bit 0 which side we are, the rest the size of the pieces. GnuTLS is not ours; the
 * steps around it are: what is asked again when, and what is freed after which failure. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/channel.h"
#include "wire/tls.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Known to everybody: it protects nothing. */
static const char key[] = "-----BEGIN PRIVATE KEY-----\n"
                          "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjJawgQpQRbigtLKY\n"
                          "SqztAnnbIeIjia4YI5hd6N1QHuqhRANCAARhHI1sajC/I2fMGlFRQ3R9aWNhIvoK\n"
                          "POagCU+y7/KwdGgESPvdV7603QYN0T5EfymRyzOSE7gOPdKTJrgZ6w/S\n"
                          "-----END PRIVATE KEY-----\n";
static const char cert[] = "-----BEGIN CERTIFICATE-----\n"
                           "MIIBgzCCASmgAwIBAgIULNTxHI6M0vHxaRZ9llyty6l9b0YwCgYIKoZIzj0EAwIw\n"
                           "DzENMAsGA1UEAxMEZnV6ejAgFw0yNjExMjcxODQzMDJaGA8yMTI2MTEwMzE4NDMw\n"
                           "MlowDzENMAsGA1UEAxMEZnV6ejBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGEc\n"
                           "jWxqML8jZ8waUVFDdH1pY2Ei+go85qAJT7Lv8rB0aARI+91XvrTdBg3RPkR/KZHL\n"
                           "M5ITuA490pMmuBnrD9KjYTBfMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0lBBYwFAYI\n"
                           "KwYBBQUHAwIGCCsGAQUFBwMBMA4GA1UdDwEB/wQEAwIChDAdBgNVHQ4EFgQUicnn\n"
                           "En9jde4OBFPtAEnXhFw++y4wCgYIKoZIzj0EAwIDSAAwRQIhAI/XuW9BPPACFpsd\n"
                           "V6q20x/6KEMxFKA02tGbnLdC/dKlAiAzU2rpmyxTWw2jsdqUoByMv8Bqu/u1N83p\n"
                           "QQnLoDM64w==\n"
                           "-----END CERTIFICATE-----\n";

static WireTlsIdentity *identities[2];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    g_autofree char *dir = g_dir_make_tmp("fuzz_tls.XXXXXX", NULL);
    g_auto(WireTlsFiles) files = { .ca = g_build_filename(dir, "cert", NULL),
                                   .cert = g_build_filename(dir, "cert", NULL),
                                   .key = g_build_filename(dir, "key", NULL),
                                   .skip_checks = true };

    if (!g_file_set_contents(files.cert, cert, -1, NULL) || !g_file_set_contents(files.key, key, -1, NULL) ||
        !wire_tls_identity_load(&files, WIRE_TLS_CLIENT, &identities[WIRE_TLS_CLIENT], NULL) ||
        !wire_tls_identity_load(&files, WIRE_TLS_SERVER, &identities[WIRE_TLS_SERVER], NULL))
        abort();
    (void)unlink(files.cert);
    (void)unlink(files.key);
    (void)rmdir(dir);
    return 0;
}

/* A step, as the server and the client take it; false: the connection is over. */
static bool fuzz_step(WireChannel *channel, bool *is_open)
{
    g_autoptr(Error) err = NULL;
    bool got;

    if (*is_open)
        return wire_channel_read(channel, &got, &err) && !channel->at_end;
    const WireLayerState state = channel->layer->ops->open(channel->layer, &err);
    *is_open = state == WIRE_LAYER_READY;
    return state != WIRE_LAYER_FAILED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    char said[4096];
    bool is_open = false, goes_on = true;
    WireChannel channel;

    if (size < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        return 0;
    const WireTlsSide side = data[0] & 1 ? WIRE_TLS_SERVER : WIRE_TLS_CLIENT;
    const WireTlsSpec spec = { .identity = identities[side],
                               .host = side == WIRE_TLS_CLIENT ? "fuzz" : NULL };
    wire_channel_init(&channel, pair[1], pair[1]);
    channel.layer = wire_tls_new(pair[1], side, &spec);
    const size_t piece = data[0] >> 1 ? (size_t)(data[0] >> 1) * 8 : size;
    for (size_t at = 1; goes_on && at < size; at += piece) {
        goes_on = fuzz_step(&channel, &is_open);
        (void)!write(pair[0], data + at, MIN(piece, size - at));
        while (read(pair[0], said, sizeof said) > 0)
            ;
    }
    for (int i = 0; goes_on && i < 3; i++)
        goes_on = fuzz_step(&channel, &is_open);
    wire_channel_clear(&channel);
    close(pair[0]);
    return 0;
}
