/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mirror_mark.h - the mark of a copy, by which the program at the mirror's
 * device truncates it.
 *
 * The packet itself gets its own mark back as soon as the copy is sent.
 */
#ifndef MIRROR_MARK_H
#define MIRROR_MARK_H

#define MIRROR_MARK 0x77690000 /* "wi" in the upper half */
#define MIRROR_SNAP 0x0000ffff /* bytes that the copy keeps */

#endif
