/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Leaves pools it has not joined yet. There is no registrar, until it says so and is answered. */
#include <errno.h>
#include <rserpool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHY ""
#include "check.h"

static int join(int sd, const char *pool, int flags) {
    return rsp_register(sd, (const unsigned char *)pool, strlen(pool), NULL, 10000, REGF_DAEMONMODE | flags);
}

static int members(const char *pool) {
    struct rsp_addrinfo *found = NULL;
    int count = rsp_getaddrinfo((const unsigned char *)pool, strlen(pool), &found, RSPGETADDRS_MAX, 0);
    rsp_freeaddrinfo(found);
    return count > 0 ? count : 0;
}

int main(void) {
    int attempt, daemon, other, tries, after = 0, second = 0;
    struct rsp_info info;

    /* soon tired of looking for a registrar */
    rsp_initinfo(&info);
    CHECK(rsp_initarg(&info, "-registrarrequesttimeout=500") == 1 && rsp_initarg(&info, "-registrarrequestmaxtrials=1") == 1);
    CHECK(rsp_initialize(&info) == 0);
    rsp_freeinfo(&info);
    attempt = rsp_socket(AF_INET, SOCK_SEQPACKET, IPPROTO_TCP);
    daemon = rsp_socket(AF_INET, SOCK_SEQPACKET, IPPROTO_TCP);
    other = rsp_socket(AF_INET, SOCK_SEQPACKET, IPPROTO_TCP);
    CHECK(attempt >= 0 && daemon >= 0 && other >= 0);

    /* during an attempt */
    CHECK(join(attempt, "left", REGF_DONTWAIT) == 0);
    CHECK(rsp_deregister(attempt, 0) == 0);
    errno = 0;
    CHECK(rsp_deregister(attempt, 0) == -1 && errno == ENOTCONN);

    /* between two attempts; then another pool */
    CHECK(join(daemon, "before", 0) == 0);
    CHECK(rsp_deregister(daemon, DEREGF_DONTWAIT) == 0);
    CHECK(join(daemon, "after", REGF_DONTWAIT) == 0);
    /* another pool at once */
    CHECK(join(other, "first", 0) == 0);
    CHECK(rsp_deregister(other, 0) == 0);
    CHECK(join(other, "second", REGF_DONTWAIT) == 0);

    printf("no registrar\n");
    fflush(stdout);
    CHECK(getchar() == '\n');
    for (tries = 0; tries < 600 && !(after && second); tries++) {
        after = after || members("after") == 1;
        second = second || members("second") == 1;
        usleep(100000);
    }
    CHECK(after && second);
    for (tries = 0; tries < 20; tries++) {
        CHECK(members("left") == 0 && members("before") == 0 && members("first") == 0);
        usleep(100000);
    }
    CHECK(rsp_close(attempt) == 0 && rsp_close(daemon) == 0 && rsp_close(other) == 0);
    rsp_cleanup();
    return 0;
}
