/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mirror_mark.h - how a copy on its way tells where it is to be cut.
 *
 * The mark of the packet itself is put back before anybody else sees it.
 */
#ifndef MIRROR_MARK_H
#define MIRROR_MARK_H

#define MIRROR_MARK 0x77690000 /* "wi", and in the lower half */
#define MIRROR_SNAP 0x0000ffff /* the bytes that are left of it */

#endif
