/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Every form a call may be written in. It is compiled, not run. */
#include <rsp.h>

#include <string.h>

int main(void) {
    struct rsp_sndrcvinfo sinfo;
    struct msghdr message;
    char buffer[16];
    ssize_t (*function)(int, struct msghdr *, int) = rsp_sendmsg;
    int fd = -1;

    memset(&sinfo, 0, sizeof(sinfo));
    memset(&message, 0, sizeof(message));
    rsp_sendmsg(fd, &message, 0);
    rsp_sendmsg(fd, buffer, sizeof(buffer), &sinfo, 0);
    rsp_sendmsg(fd, (const void *)buffer, sizeof(buffer), sinfo, 0);
    rsp_sendmsg(fd, buffer, sizeof(buffer), NULL, 0);
    (rsp_sendmsg)(fd, &message, 0);
    rsp_recvmsg(fd, &message, 0);
    rsp_recvmsg(fd, (void *)buffer, sizeof(buffer), &sinfo, 0);
    rsp_recvmsg(fd, buffer, sizeof(buffer), NULL, 0);
    rsp_rcvmsg(fd, &message, 0);
    return function(fd, &message, 0) == -1 ? 0 : 1;
}
