/* The requests of lodge-media about machines of other programs, and what they are packed in. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "media/media.h"

/* machine.c: {path} -> what a document (OVF, vmx, vbox, Hyper-V's XML) says of one machine, see there */
MediaFunc media_machine;
/* disk.c: {path} -> {format, is_backed, extents: [name], bytes}: what an image says of itself; only its
 * header and a descriptor are read. extents: other files of a vmdk, names as they are spelled. */
MediaFunc media_disk;
/* pack.c: {path, folder} -> {files: [name]}: a tar archive (OVA) unpacked into a folder that is ours
 *         {path, folder, name}: the same of one file that is compressed */
MediaFunc media_unpack;
/* pack.c: {path, folder} -> {checked: [name]}: whether the files that a manifest (.mf) names are what it says
 */
MediaFunc media_verify;
/* pack.c: {folder, files: [name], manifest: name, path (NULL: no archive)} -> {bytes}: sums of the files into
 * a manifest beside them, and all of them into a tar archive */
MediaFunc media_pack;
