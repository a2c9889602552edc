/* What two texts differ in, by lines, as `diff -u` tells it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hunks with three lines around each change; owned; NULL: they are the same. The shortest way from one to the
 * other, unless that takes too long to find: then all between the first and the last difference is replaced.
 * Pure; may take milliseconds: for workers. */
char *text_diff(const char *before, const char *after);
