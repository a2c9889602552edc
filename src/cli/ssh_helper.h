/* virt-ssh-helper: what clients run on the other host when they come by ssh. It finds the daemon's socket and
 * carries bytes between it and standard input and output. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#define SSH_HELPER_NAME "virt-ssh-helper"

/* virt-ssh-helper [-r] URI. Returns the exit code. */
int ssh_helper_main(int argc, char **argv);
