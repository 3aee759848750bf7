/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * An echo pool element in the manner of RSPLIB. What it has answered it counts in a cookie, so that the next pool element knows.
 *
 *   rsplib_echo_pe [-poolhandle=POOL] [-protocol=NUMBER] [words of rsp_initarg(3)...]
 */
#include <netinet/in.h>
#include <rserpool.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

int main(int argc, char **argv)
{
    struct rsp_info info;
    struct rsp_loadinfo load;
    struct sigaction action;
    const char *pool = "EchoPool";
    /* One count per session. */
    static unsigned int answered[SESSION_SETSIZE];
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
    memset(&load, 0, sizeof(load));
    load.rli_policy = PPT_ROUNDROBIN;
    if (sd < 0 || rsp_register(sd, (const unsigned char *)pool, strlen(pool), &load, 5000, 0) < 0) {
        perror("rsp_register");
        return 1;
    }
    printf("registered\n");
    fflush(stdout);

    memset(&action, 0, sizeof(action));
    action.sa_handler = stop;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    while (!stopped) {
        struct rsp_sndrcvinfo from;
        int flags = 0;
        ssize_t n = rsp_recvmsg(sd, buffer, sizeof(buffer) - 1, &from, &flags, 500);
        if (n <= 0)
            continue;
        unsigned int *count = &answered[from.rinfo_session % SESSION_SETSIZE];
        if (flags & MSG_RSERPOOL_NOTIFICATION) {
            const union rserpool_notification *event = (const union rserpool_notification *)buffer;
            rsp_print_notification(event, stdout);
            printf("\n");
            if (event->rn_header.rn_type == RSERPOOL_SESSION_CHANGE)
                answered[event->rn_session_change.rsc_session % SESSION_SETSIZE] = 0;
        } else if (flags & MSG_RSERPOOL_COOKIE_ECHO) {
            buffer[n] = 0;
            sscanf(buffer, "echo%8u", count);
            printf("session %d goes on after %u\n", from.rinfo_session, *count);
        } else if (rsp_sendmsg(sd, buffer, (size_t)n, 0, from.rinfo_session, from.rinfo_ppid, from.rinfo_stream, 0, 0, -1) == n) {
            char cookie[13];
            snprintf(cookie, sizeof(cookie), "echo%8u", ++*count);
            rsp_send_cookie(sd, (const unsigned char *)cookie, 12, from.rinfo_session, -1);
        }
        fflush(stdout);
    }
    rsp_deregister(sd, 0);
    rsp_close(sd);
    rsp_cleanup();
    return 0;
}
