/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Says which line is wrong, and ends the program. <rserpool.h> has no words for it: its programs define WHY as "". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef WHY
#define WHY rsp_lasterror()
#endif

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            int error_ = errno;                                                                                        \
            fprintf(stderr, "%s:%d: %s: errno %d (%s), %s\n", __FILE__, __LINE__, #what, error_, strerror(error_),     \
                    WHY);                                                                                              \
            _Exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)
#define OK(call) CHECK((call) >= 0)
#define FAILS(call, error)                                                                                             \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK((call) == -1);                                                                                           \
        CHECK(errno == (error));                                                                                       \
    } while (0)
