/* SPDX-License-Identifier: Apache-2.0 */
/*
 * banned.h: force-included before every file; calling one of these is a compile error.
 * They overflow, keep hidden state, run a shell, load name-service plug-ins, or trust a guessable
 * name.
 */
#ifndef LIB_BASE_BANNED_H
#define LIB_BASE_BANNED_H

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok gmtime localtime asctime ctime
#pragma GCC poison atoi atol atoll system popen mktemp tmpnam tempnam setenv putenv
#pragma GCC poison getpwnam getpwuid getgrnam getgrgid getpwnam_r getgrnam_r

#endif
