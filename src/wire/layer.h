/* What lies between frames and a descriptor: TLS, or what SASL protects a connection with.
 *
 * Nothing here waits. read and write are like those of a socket: -1 with errno EAGAIN until the descriptor is
 * ready; any other failure also sets @err. write that was told EAGAIN is called again with the same bytes in
 * front. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

typedef enum WireLayerState {
    WIRE_LAYER_READY,
    WIRE_LAYER_WANTS_READ,
    WIRE_LAYER_WANTS_WRITE,
    WIRE_LAYER_FAILED, /* @err is set */
} WireLayerState;

typedef struct WireLayer WireLayer;

typedef struct WireLayerOps {
    /* Goes on with the handshake. NULL: there is none. */
    WireLayerState (*open)(WireLayer *layer, Error **err);
    ssize_t (*read)(WireLayer *layer, void *to, size_t size, Error **err);
    ssize_t (*write)(WireLayer *layer, const void *from, size_t size, Error **err);
    /* Whether read() has something to give though the descriptor has nothing. */
    bool (*has_more)(const WireLayer *layer);
    void (*free)(WireLayer *layer);
} WireLayerOps;

/* First member of each kind. */
struct WireLayer {
    const WireLayerOps *ops;
    int fd; /* borrowed; non-blocking */
};
