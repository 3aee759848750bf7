/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * One request of 40 bytes and its answer of 150 at a time, with calls that wait: what the C library costs. scripts/bench-capi runs it.
 *
 *   round_trip server
 *   round_trip client SECONDS     prints answers per second, and p50 and p99 of the round trip in us
 */
#include <err.h>
#include <netinet/in.h>
#include <rsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define REQUEST 40
#define ANSWER 150
#define MOST 10000000

static char buffer[1 << 16];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static int order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void serve(int fd) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct rsp_loadinfo load = {.policy = RSP_ROUND_ROBIN};
    struct rsp_sndrcvinfo from;
    ssize_t length;

    if (rsp_bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || rsp_register(fd, "round-trip", 10, &load) != 0)
        errx(1, "%s", rsp_lasterror());
    puts("registered");
    fflush(stdout);
    for (;;) {
        memset(&from, 0, sizeof from);
        length = rsp_recvmsg(fd, buffer, sizeof buffer, &from, 0);
        if (length == REQUEST && rsp_sendmsg(fd, buffer, ANSWER, from, 0) != ANSWER)
            errx(1, "%s", rsp_lasterror());
    }
}

static void ask(int fd, double seconds) {
    double *trips = calloc(MOST, sizeof *trips), start, end, sent;
    size_t count = 0;

    if (rsp_connect(fd, "round-trip", 10) != 0)
        errx(1, "%s", rsp_lasterror());
    for (start = sent = now(), end = start + seconds; sent < end && count < MOST; count++) {
        if (rsp_sendmsg(fd, buffer, REQUEST, NULL, 0) != REQUEST || rsp_recvmsg(fd, buffer, sizeof buffer, NULL, 0) != ANSWER)
            errx(1, "%s", rsp_lasterror());
        trips[count] = now() - sent;
        sent += trips[count];
    }
    qsort(trips, count, sizeof *trips, order);
    printf("%.0f %.1f %.1f\n", count / (sent - start), trips[count / 2] * 1e6, trips[count * 99 / 100] * 1e6);
}

int main(int argc, char **argv) {
    int fd = rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);

    if (fd < 0)
        errx(1, "%s", rsp_lasterror());
    if (argc == 2 && strcmp(argv[1], "server") == 0)
        serve(fd);
    else if (argc == 3 && strcmp(argv[1], "client") == 0)
        ask(fd, atof(argv[2]));
    else
        errx(2, "usage: round_trip server | round_trip client SECONDS");
    rsp_close(fd);
    return 0;
}
