/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A terminal in the manner of RSPLIB: lines go to a pool, what comes back is printed. The application moves the session when a pool element fails.
 *
 *   rsplib_echo_pu [-poolhandle=POOL] [-protocol=NUMBER] [words of rsp_initarg(3)...]
 */
#include <netinet/in.h>
#include <rserpool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failed_over(int sd)
{
    for (int trial = 0; trial < 3; trial++)
        if (rsp_forcefailover(sd, FFF_UNREACHABLE, 0) == 0)
            return 1;
    perror("rsp_forcefailover");
    return 0;
}

int main(int argc, char **argv)
{
    struct rsp_info info;
    const char *pool = "EchoPool";
    static char buffer[65536];
    int protocol = IPPROTO_SCTP, sd;

    rsp_initinfo(&info);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-poolhandle=", 12) == 0)
            pool = argv[i] + 12;
        else if (strncmp(argv[i], "-protocol=", 10) == 0)
            protocol = atoi(argv[i] + 10);
        else if (!rsp_initarg(&info, argv[i])) {
            fprintf(stderr, "Bad argument \"%s\"\n", argv[i]);
            return 2;
        }
    }
    if (rsp_initialize(&info) < 0) {
        perror("rsp_initialize");
        return 1;
    }
    rsp_freeinfo(&info);

    sd = rsp_socket(0, SOCK_SEQPACKET, protocol);
    if (sd < 0 || rsp_connect(sd, (const unsigned char *)pool, strlen(pool), 0) < 0) {
        perror(pool);
        return 1;
    }
    printf("connected\n");
    fflush(stdout);
    for (;;) {
        struct pollfd fds[2] = {{0, POLLIN, 0}, {sd, POLLIN, 0}};
        if (rsp_poll(fds, 2, -1) < 1)
            continue;
        if (fds[1].revents & POLLIN) {
            struct rsp_sndrcvinfo from;
            int flags = 0;
            ssize_t n = rsp_recvmsg(sd, buffer, sizeof(buffer), &from, &flags, 0);
            if (n > 0 && (flags & MSG_RSERPOOL_NOTIFICATION)) {
                const union rserpool_notification *event = (const union rserpool_notification *)buffer;
                rsp_print_notification(event, stdout);
                printf("\n");
                if (event->rn_header.rn_type == RSERPOOL_FAILOVER && event->rn_failover.rf_state == RSERPOOL_FAILOVER_NECESSARY && !failed_over(sd))
                    return 1;
            } else if (n > 0) {
                printf("P%08x> %.*s", from.rinfo_pe_id, (int)n, buffer);
            }
            fflush(stdout);
        }
        if (fds[0].revents) {
            ssize_t n = rsp_read(0, buffer, sizeof(buffer));
            if (n <= 0)
                break;
            if (rsp_sendmsg(sd, buffer, (size_t)n, 0, 0, 0, 0, 0, 0, -1) < 0)
                perror("rsp_sendmsg");
        }
    }
    rsp_close(sd);
    rsp_cleanup();
    return 0;
}
