/* SPDX-License-Identifier: Apache-2.0 */
/* busybox_root: a small root file system for tests that run something in a sandbox. */
#ifndef TESTS_SUPPORT_BUSYBOX_ROOT_H
#define TESTS_SUPPORT_BUSYBOX_ROOT_H

/* The static busybox of this host; tests that need it are skipped without. */
#define BUSYBOX "/bin/busybox"

/* Fills the directory `root`: applets, users root and app, the sandbox's mount points, links that
 * lead upwards. Ends the process on failure. */
void busybox_root_build(int root);

#endif
