/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the test programs begin with. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

/* A pool element on a free port of 127.0.0.1, under the policy least used, that acknowledges. */
static inline int serve(const char *pool, int type) {
    struct sockaddr_in address;
    struct rsp_loadinfo load;
    int one = 1, fd = (int)rsp_socket(AF_INET, type, IPPROTO_TCP);

    OK(fd);
    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    OK(rsp_bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)));
    OK(rsp_setsockopt(fd, SOL_RSP, RSP_OPT_ACKS, &one, sizeof(one)));
    memset(&load, 0, sizeof(load));
    load.policy = RSP_LEAST_USED;
    OK(rsp_register(fd, pool, strlen(pool), &load));
    return fd;
}

/* Waits for the descriptor in a plain poll. */
static inline void wait_for(int fd, short events) {
    struct pollfd waiting = {fd, events, 0};
    CHECK(poll(&waiting, 1, 30000) == 1);
}
