/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Every function of <rsp.h> with what it must refuse: an errno, never a crash. */
#include <rsp.h>

#include "check.h"
#include "sockets.h"

static void every_call_refuses(int fd, int error) {
    struct sockaddr_in address;
    struct sockaddr_pehandle handle;
    struct rsp_sndrcvinfo info;
    struct msghdr message;
    struct iovec part;
    char byte = 0;
    uint32_t number = 1;
    socklen_t len = sizeof(number);

    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    memset(&handle, 0, sizeof(handle));
    memset(&info, 0, sizeof(info));
    memset(&message, 0, sizeof(message));
    part.iov_base = &byte;
    part.iov_len = 1;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    FAILS(rsp_bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), error);
    FAILS(rsp_listen(fd, 1), error);
    FAILS(rsp_accept(fd, NULL), error);
    FAILS(rsp_connect(fd, "p", 1), error);
    FAILS(rsp_close(fd), error);
    FAILS(rsp_register(fd, "p", 1, NULL), error);
    FAILS(rsp_deregister(fd), error);
    FAILS(rsp_drain(fd, 0), error);
    FAILS(rsp_sendmsg(fd, &message, 0), error);
    FAILS(rsp_sendmsg(fd, &byte, 1, NULL, 0), error);
    FAILS(rsp_recvmsg(fd, &message, 0), error);
    FAILS(rsp_recvmsg(fd, &byte, 1, NULL, 0), error);
    FAILS(rsp_dispatch(fd), error);
    errno = 0;
    CHECK(rsp_getpoolinfo(fd, "p", 1, 0) == NULL && errno == error);
    FAILS(rsp_getprimaryserver(fd, "p", 1, &handle), error);
    FAILS(rsp_getnextserver(fd, &handle), error);
    FAILS(rsp_reportfailure(fd, &handle), error);
    FAILS(rsp_forcefailover(fd, 0, 0), error);
    FAILS(rsp_notify(fd, 0, NULL, NULL), error);
    FAILS(rsp_ack(fd, &info), error);
    FAILS(rsp_reply(fd, &byte, 1, &info, 0), error);
    FAILS(rsp_outcome(fd, 1, 0), error);
    FAILS(rsp_setcookie(fd, 0, &byte, 1), error);
    FAILS(rsp_setbusinesscard(fd, &handle, 1), error);
    FAILS(rsp_getsockname(fd, &handle), error);
    FAILS(rsp_getpeername(fd, 0, &handle), error);
    FAILS(rsp_getsockopt(fd, SOL_RSP, RSP_OPT_ACKS, &number, &len), error);
    FAILS(rsp_setsockopt(fd, SOL_RSP, RSP_OPT_ACKS, &number, len), error);
}

static void null_is_refused(int fd) {
    struct msghdr message;
    struct iovec part;
    socklen_t len = 4;
    char byte = 0;

    FAILS(rsp_bind(fd, NULL, 16), EFAULT);
    FAILS(rsp_connect(fd, NULL, 4), EFAULT);
    FAILS(rsp_register(fd, NULL, 4, NULL), EFAULT);
    FAILS((rsp_sendmsg)(fd, NULL, 0), EFAULT);
    FAILS((rsp_recvmsg)(fd, NULL, 0), EFAULT);
    FAILS(rsp_recvmsg(fd, NULL, 4, NULL, 0), EFAULT);
    memset(&message, 0, sizeof(message));
    message.msg_iovlen = 1;
    FAILS(rsp_sendmsg(fd, &message, 0), EFAULT);
    FAILS(rsp_recvmsg(fd, &message, 0), EFAULT);
    part.iov_base = NULL;
    part.iov_len = 1;
    message.msg_iov = &part;
    FAILS(rsp_sendmsg(fd, &message, 0), EFAULT);
    FAILS(rsp_recvmsg(fd, &message, 0), EFAULT);
    message.msg_iovlen = 2000;
    FAILS(rsp_sendmsg(fd, &message, 0), EMSGSIZE);
    FAILS(rsp_poll(NULL, 1, 0), EFAULT);
    CHECK(rsp_poll(NULL, 0, 0) == 0);
    errno = 0;
    CHECK(rsp_getpoolinfo(fd, NULL, 4, 0) == NULL && errno == EFAULT);
    rsp_freepoolinfo(NULL);
    FAILS(rsp_getprimaryserver(fd, "p", 1, NULL), EFAULT);
    FAILS(rsp_getnextserver(fd, NULL), EFAULT);
    FAILS(rsp_reportfailure(fd, NULL), EFAULT);
    FAILS(rsp_ack(fd, NULL), EFAULT);
    FAILS(rsp_reply(fd, &byte, 1, NULL, 0), EFAULT);
    FAILS(rsp_setbusinesscard(fd, NULL, 1), EFAULT);
    FAILS(rsp_getsockname(fd, NULL), EFAULT);
    FAILS(rsp_getpeername(fd, 0, NULL), EFAULT);
    FAILS(rsp_getsockopt(fd, SOL_RSP, RSP_OPT_ACKS, NULL, &len), EFAULT);
    FAILS(rsp_getsockopt(fd, SOL_RSP, RSP_OPT_ACKS, &byte, NULL), EFAULT);
    FAILS(rsp_setsockopt(fd, SOL_RSP, RSP_OPT_ACKS, NULL, 4), EFAULT);
}

/* Numbers that make no sense as this option. */
static void wrong_options_are_refused(int fd) {
    static const int negative[] = {RSP_OPT_WINDOW, RSP_OPT_HEARTBEAT, RSP_OPT_LINGER, RSP_OPT_LIFE};
    static const int boolean[] = {RSP_OPT_FAILOVER, RSP_OPT_ACKS, RSP_OPT_STALE};
    int number, before;
    socklen_t len = sizeof(before);
    size_t i;

    for (i = 0; i < sizeof(negative) / sizeof(negative[0]); i++)
        for (number = -5; number < 0; number++)
            FAILS(rsp_setsockopt(fd, SOL_RSP, negative[i], &number, 4), EINVAL);
    for (i = 0; i < sizeof(boolean) / sizeof(boolean[0]); i++) {
        OK(rsp_getsockopt(fd, SOL_RSP, boolean[i], &before, &len));
        number = 12;
        FAILS(rsp_setsockopt(fd, SOL_RSP, boolean[i], &number, 4), EINVAL);
        number = -1;
        FAILS(rsp_setsockopt(fd, SOL_RSP, boolean[i], &number, 4), EINVAL);
        OK(rsp_getsockopt(fd, SOL_RSP, boolean[i], &number, &len));
        CHECK(number == before);
    }
}

static void wrong_lengths_are_refused(int fd) {
    struct sockaddr_in6 address;
    struct sockaddr_pehandle handle;
    struct rsp_loadinfo load;
    char buffer[4] = {0}, name[300];
    uint32_t number = 0;
    socklen_t len = 3;

    memset(name, 'n', sizeof(name));
    memset(&address, 0, sizeof(address));
    FAILS(rsp_bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), EAFNOSUPPORT);
    address.sin6_family = AF_INET6;
    FAILS(rsp_bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address) - 1), EINVAL);
    FAILS(rsp_bind(fd, (const struct sockaddr *)(const void *)&address, 0), EINVAL);
    FAILS(rsp_bind(fd, (const struct sockaddr *)(const void *)&address, 1), EINVAL);
    FAILS(rsp_connect(fd, name, 0), EINVAL);
    FAILS(rsp_connect(fd, name, 257), ENAMETOOLONG);
    FAILS(rsp_connect(fd, name, SIZE_MAX), ENAMETOOLONG);
    FAILS(rsp_register(fd, name, 257, NULL), ENAMETOOLONG);
    memset(&load, 0, sizeof(load));
    FAILS(rsp_register(fd, "p", 1, &load), EINVAL);
    FAILS(rsp_recvmsg(fd, buffer, 0, NULL, 0), EINVAL);
    FAILS(rsp_getsockopt(fd, SOL_RSP, RSP_OPT_ACKS, &number, &len), EINVAL);
    FAILS(rsp_setsockopt(fd, SOL_RSP, RSP_OPT_ACKS, &number, 3), EINVAL);
    FAILS(rsp_setsockopt(fd, SOL_RSP, RSP_OPT_WINDOW, &number, 4), EINVAL);
    FAILS(rsp_setsockopt(fd, SOL_RSP, RSP_OPT_HEARTBEAT, &number, 4), EINVAL);
    FAILS(rsp_setsockopt(fd, SOL_RSP, RSP_OPT_RTT, &number, 4), EINVAL);
    FAILS(rsp_setsockopt(fd, SOL_RSP, 9999, &number, 4), ENOPROTOOPT);
    FAILS(rsp_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &number, 4), ENOPROTOOPT);
    len = 4;
    FAILS(rsp_getsockopt(fd, SOL_RSP, 9999, &number, &len), ENOPROTOOPT);
    number = 99;
    FAILS(rsp_setsockopt(fd, SOL_RSP, RSP_OPT_MAPPING, &number, 4), EINVAL);
    memset(&handle, 0, sizeof(handle));
    FAILS(rsp_reportfailure(fd, &handle), EAFNOSUPPORT);
    handle.spe_family = AF_RSP;
    FAILS(rsp_reportfailure(fd, &handle), EINVAL);
    handle.spe_handlelen = 300;
    FAILS(rsp_reportfailure(fd, &handle), ENAMETOOLONG);
    handle.spe_handlelen = 4;
    handle.spe_mapping = 9;
    FAILS(rsp_reportfailure(fd, &handle), EINVAL);
    FAILS(rsp_setbusinesscard(fd, &handle, 0), EINVAL);
    FAILS(rsp_setbusinesscard(fd, &handle, SIZE_MAX), EINVAL);
    FAILS(rsp_notify(fd, 0x10000, NULL, NULL), EINVAL);
    FAILS(rsp_outcome(fd, 0, 0), EINVAL);
    FAILS(rsp_drain(fd, -1), EINVAL);
    FAILS(rsp_select(-1, NULL, NULL, NULL, NULL), EINVAL);
    FAILS(rsp_select(100000, NULL, NULL, NULL, NULL), EINVAL);
    FAILS(rsp_poll((struct pollfd *)(void *)buffer, (nfds_t)-1, 0), EINVAL);
}

static void wrong_states_are_refused(int fd) {
    struct sockaddr_pehandle handle;
    struct rsp_sndrcvinfo info;
    char byte = 0;

    memset(&info, 0, sizeof(info));
    FAILS(rsp_sendmsg(fd, &byte, 1, NULL, 0), EDESTADDRREQ);
    info.sinfo_session = 17;
    FAILS(rsp_sendmsg(fd, &byte, 1, info, 0), ENOTCONN);
    FAILS(rsp_recvmsg(fd, &byte, 1, NULL, 0), ENOTCONN);
    FAILS(rsp_deregister(fd), ENOTCONN);
    FAILS(rsp_drain(fd, 0), ENOTCONN);
    FAILS(rsp_accept(fd, NULL), EOPNOTSUPP);
    FAILS(rsp_getsockname(fd, &handle), ENOTCONN);
    FAILS(rsp_getpeername(fd, 0, &handle), ENOTCONN);
    FAILS(rsp_forcefailover(fd, 0, 0), EDESTADDRREQ);
    FAILS(rsp_setcookie(fd, 3, &byte, 1), ENOTCONN);
    FAILS(rsp_ack(fd, &info), EINVAL);
    FAILS(rsp_reply(fd, &byte, 1, &info, 0), ENOTCONN);
    FAILS(rsp_outcome(fd, 5, 0), ENOENT);
    FAILS(rsp_connect(fd, "nobody", 6), ENOENT);
    CHECK(strstr(rsp_lasterror(), "nobody") != NULL);
}

static void connected(int server) {
    int client = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), before;
    char byte = 0;
    uint32_t number = 5;

    OK(client);
    OK(rsp_connect(client, "bad", 3));
    FAILS(rsp_sendmsg(client, &byte, 0, NULL, 0), EINVAL);
    /* what a failed receive hands on, as the echo server of the seed does */
    FAILS(rsp_sendmsg(client, &byte, (size_t)-1, NULL, 0), EMSGSIZE);
    FAILS(rsp_sendmsg(client, NULL, 1, NULL, 0), EFAULT);
    FAILS(rsp_register(client, "bad", 3, NULL), EISCONN);
    FAILS(rsp_connect(server, "bad", 3), EISCONN);
    FAILS(rsp_register(server, "another", 7, NULL), EISCONN);
    FAILS(rsp_register(server, "bad", 3, NULL), EINVAL);
    FAILS(rsp_setcookie(client, 0, &byte, 1), EOPNOTSUPP);
    OK(rsp_setsockopt(client, SOL_RSP, RSP_OPT_LINGER, &number, 4));
    /* a number that belongs to another file now is none of ours, and closing by close() cleans up */
    before = dup(client);
    OK(before);
    CHECK(rsp_sendmsg(before, "x", 1, NULL, 0) == 1);
    CHECK(dup2(0, client) == client);
    FAILS(rsp_sendmsg(client, "x", 1, NULL, 0), EBADF);
    close(client);
    close(before);
    FAILS(rsp_sendmsg(before, "x", 1, NULL, 0), EBADF);
}

int main(void) {
    struct rsp_info info;
    int fd, server;

    every_call_refuses(0, EBADF);
    memset(&info, 0, sizeof(info));
    info.info_profile = "no such profile";
    FAILS(rsp_initialize(&info), EINVAL);
    CHECK(strstr(rsp_lasterror(), "info_profile") != NULL);
    info.info_profile = "\xff";
    FAILS(rsp_initialize(&info), EINVAL);
    memset(&info, 0, sizeof(info));
    info.info_reserved[3] = 1;
    FAILS(rsp_initialize(&info), EINVAL);
    memset(&info, 0, sizeof(info));
    info.info_config = "/no/such/file";
    FAILS(rsp_initialize(&info), EINVAL);
    FAILS(rsp_socket(AF_UNIX, SOCK_DGRAM, 0), EAFNOSUPPORT);
    FAILS(rsp_socket(AF_INET, SOCK_RAW, 0), EPROTOTYPE);
    FAILS(rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP), EPROTONOSUPPORT);

    fd = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);
    OK(fd);
    every_call_refuses(-1, EBADF);
    every_call_refuses(0, EBADF);
    every_call_refuses(100000, EBADF);
    wrong_lengths_are_refused(fd);
    wrong_options_are_refused(fd);
    null_is_refused(fd);
    wrong_states_are_refused(fd);
    server = serve("bad", SOCK_DGRAM);
    connected(server);
    OK(rsp_close(fd));
    every_call_refuses(fd, EBADF);
    OK(rsp_close(server));
    rsp_cleanup();
    every_call_refuses(server, EBADF);
    return 0;
}
