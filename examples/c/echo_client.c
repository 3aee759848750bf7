/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The echo pool user of the seed (Sockets API Extensions, section 5.2), with the mends README.md lists. It ends with its input.
 */
#include <netinet/in.h>
#include <rsp.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

int main() {
    int fd, n, done;
    struct rsp_info info;
    fd_set rset;
    char buf[1<<16];

    /* initialize the RSerPool implementation */
    memset(&info, 0, sizeof(struct rsp_info));

    /* we want to provide an SCTP based echo server */
    fd  = rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_SCTP);

    /* set the destination */
    rsp_connect(fd, "echo", 4);

    done = 0;
    FD_ZERO(&rset);

    while(!done) {
        FD_SET(0,  &rset);
        FD_SET(fd, &rset);
        /* wait for a packet from the server of stdin input */
        rsp_select(fd + 1, &rset, (fd_set *) NULL, (fd_set *) NULL, (struct timeval *) NULL);
        if (FD_ISSET(0, &rset)) {
            n = read(0, (void *) buf, sizeof(buf));
            if (n == 0)
                done = 1;
            else
                rsp_sendmsg(fd, (const void *) buf, n, NULL, 0);
        }
        if (FD_ISSET(fd, &rset)) {
            n = rsp_recvmsg(fd, (void *) buf, sizeof(buf), NULL, 0);
            if(n > 0)
                printf("%.*s", n, buf);
        }
    }
}
