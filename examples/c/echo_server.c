/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The echo pool element of the seed (Sockets API Extensions, section 5.1), with the mends README.md lists. It runs until SIGTERM.
 */
#include <netinet/in.h>
#include <rsp.h>
#include <string.h>
#include <sys/socket.h>

int main() {
    int fd;
    struct sockaddr_in server_addr;
    struct rsp_info info;
    struct rsp_sndrcvinfo sinfo;
    struct rsp_loadinfo linfo;
    int len;
    char buf[1<<16];

    /* initialize the RSerPool implementation */
    memset(&info, 0, sizeof(struct rsp_info));

    /* we want to provide an SCTP based echo server */
    fd  = rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_SCTP);

    /* we want to use all addresses and use the standard port number */
    memset(&server_addr, 0, sizeof(server_addr));
    server_addr.sin_family      = AF_INET;
#ifdef HAVE_SIN_LEN
    server_addr.sin_len         = sizeof(struct sockaddr_in);
#endif
    server_addr.sin_addr.s_addr = htonl(INADDR_ANY);
    server_addr.sin_port        = htons(7);
    rsp_bind(fd, (const struct sockaddr *) &server_addr, sizeof(server_addr));

    /* we need to register ourself */
    memset(&linfo, 0, sizeof(struct rsp_loadinfo));
    linfo.policy = RSP_ROUND_ROBIN;
    rsp_register(fd, "echo", 4, &linfo);

    /* send back all received messages */
    while (1) {
        memset(&sinfo, 0, sizeof(struct rsp_sndrcvinfo));
        len = rsp_recvmsg(fd, (void *) buf, sizeof(buf), &sinfo, 0);
        rsp_sendmsg(fd, (const void *) buf, len, sinfo, 0);
    }

    /* the deregistration would also be done implicitly by rsp_close() */
}
