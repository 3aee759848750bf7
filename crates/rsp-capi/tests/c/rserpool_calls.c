/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Uses every call of <rserpool.h> as its manual page says. It brings its own servers: two in this process, and one in a child that is killed.
 *
 *   rserpool_calls [-protocol=N] [-address=IPv4] [words of rsp_initarg...]
 *   rserpool_calls -serve=POOL ...    the child
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <rserpool.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define WHY ""
#include "check.h"

static int protocol;
static const char *own_address = "127.0.0.1";

#define WAIT 100000

static const unsigned char *text(const char *s)
{
    return (const unsigned char *)s;
}

static ssize_t send_text(int sd, rserpool_session_t session, const char *s)
{
    return rsp_sendmsg(sd, s, strlen(s), 0, session, htonl(7), 0, 0, 0, WAIT);
}

/* Receives data, passing over notifications. */
static ssize_t receive(int sd, char *buffer, size_t length, struct rsp_sndrcvinfo *rinfo)
{
    for (;;) {
        int flags = 0;
        ssize_t n = rsp_recvmsg(sd, buffer, length, rinfo, &flags, WAIT);
        if (n < 0 || (flags & (MSG_RSERPOOL_NOTIFICATION | MSG_RSERPOOL_COOKIE_ECHO)) == 0)
            return n;
    }
}

/* Waits for a notification of this type and state, passing over everything else. */
static union rserpool_notification expect(int sd, uint16_t type, unsigned int state)
{
    union { union rserpool_notification n; char bytes[4096]; } buffer;
    for (;;) {
        int flags = 0;
        ssize_t n = rsp_recvmsg(sd, &buffer, sizeof(buffer), NULL, &flags, WAIT);
        CHECK(n >= 0);
        if (!(flags & MSG_RSERPOOL_NOTIFICATION))
            continue;
        CHECK((size_t)n >= sizeof(buffer.n.rn_header) && buffer.n.rn_header.rn_length == (uint32_t)n);
        rsp_print_notification(&buffer.n, stdout);
        printf("\n");
        if (buffer.n.rn_header.rn_type != type)
            continue;
        if (type == RSERPOOL_SESSION_CHANGE && buffer.n.rn_session_change.rsc_state != state)
            continue;
        if (type == RSERPOOL_FAILOVER && buffer.n.rn_failover.rf_state != state)
            continue;
        return buffer.n;
    }
}

static void setup(int argc, char **argv)
{
    struct rsp_info info;
    memset(&info, 0xff, sizeof(info));
    rsp_initinfo(&info);
    CHECK(info.ri_registrars == NULL && info.ri_csp_server == NULL && info.ri_registrar_request_timeout == 0);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-protocol=", 10) == 0)
            protocol = atoi(argv[i] + 10);
        else if (strncmp(argv[i], "-address=", 9) == 0)
            own_address = argv[i] + 9;
        else if (strncmp(argv[i], "-serve=", 7) != 0)
            CHECK(rsp_initarg(&info, argv[i]) == 1);
    }
    CHECK(rsp_initarg(&info, "-registrarrequesttimeout=3000") == 1 && info.ri_registrar_request_timeout == 3000);
    CHECK(rsp_initarg(&info, "-registrarresponsetimeout=3000") == 1 && info.ri_registrar_response_timeout == 3000);
    CHECK(rsp_initarg(&info, "-registrarrequestmaxtrials=4") == 1 && info.ri_registrar_request_max_trials == 4);
    CHECK(rsp_initarg(&info, "-registrarconnecttimeout=3000") == 1 && info.ri_registrar_connect_timeout == 3000);
    CHECK(rsp_initarg(&info, "-registrarconnectmaxtrials=4") == 1 && info.ri_registrar_connect_max_trials == 4);
    CHECK(rsp_initarg(&info, "-registrarannouncetimeout=5000") == 1 && info.ri_registrar_announce_timeout == 5000);
    CHECK(rsp_initarg(&info, "-asapannounce=off") == 1 && info.ri_disable_autoconfig == 1);
    CHECK(rsp_initarg(&info, "-cspinterval=500") == 1 && info.ri_csp_interval == 500);
    CHECK(rsp_initarg(&info, "-registrarrequesttimeout=soon") == 0 && info.ri_registrar_request_timeout == 3000);
    CHECK(rsp_initarg(&info, "-poolhandle=echo") == 0 && rsp_initarg(&info, "file") == 0 && rsp_initarg(NULL, "file") == 0);
    CHECK(rsp_initialize(&info) == 0);
    CHECK(rsp_initialize(&info) == 0 && rsp_initialize(NULL) == 0);
    rsp_freeinfo(&info);
    CHECK(info.ri_registrars == NULL);
    rsp_freeinfo(&info);
}

static void policies(void)
{
    CHECK(strcmp(rsp_getpolicybytype(PPT_ROUNDROBIN), "RoundRobin") == 0);
    CHECK(rsp_getpolicybytype(PPT_UNDEFINED) == NULL && rsp_getpolicybytype(99) == NULL);
    const unsigned int all[] = {PPT_ROUNDROBIN, PPT_WEIGHTED_ROUNDROBIN, PPT_RANDOM, PPT_WEIGHTED_RANDOM, PPT_PRIORITY, PPT_LEASTUSED,
        PPT_LEASTUSED_DEGRADATION, PPT_PRIORITY_LEASTUSED, PPT_RANDOMIZED_LEASTUSED, PPT_RANDOMIZED_PRIORITY_LEASTUSED,
        PPT_RANDOMIZED_LEASTUSED_DEGRADATION, PPT_PRIORITY_LEASTUSED_DEGRADATION, PPT_RANDOMIZED_PRIORITY_LEASTUSED_DEGRADATION,
        PPT_WEIGHTED_RANDOM_DPF, PPT_LEASTUSED_DPF, PPT_LEASTUSED_DEGRADATION_DPF, PPT_PRIORITY_LEASTUSED_DPF,
        PPT_PRIORITY_LEASTUSED_DEGRADATION_DPF};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const char *name = rsp_getpolicybytype(all[i]);
        CHECK(name != NULL && rsp_getpolicybyname(name) == all[i]);
        CHECK(PPT_IS_ADAPTIVE(all[i]) == (strstr(name, "LeastUsed") != NULL));
    }
    CHECK(rsp_getpolicybyname("leastused") == PPT_LEASTUSED);
    CHECK(rsp_getpolicybyname("Best") == PPT_UNDEFINED && rsp_getpolicybyname(NULL) == PPT_UNDEFINED);
    CHECK(CID_GROUP(CID_COMPOUND(CID_GROUP_POOLUSER, 77)) == CID_GROUP_POOLUSER && CID_OBJECT(CID_COMPOUND(3, 77)) == 77);
}

/* A descriptor that is none of ours is an errno, whatever else is wrong. */
static void bad_descriptors(int sd)
{
    char byte = 1;
    int flags = 0, value = 0;
    socklen_t length = sizeof(value);
    struct rserpool_session_parameters params = {0, 0, 0, 0, 0, 0};
    struct sockaddr_in address;
    struct rsp_sndrcvinfo rinfo;
    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    FAILS(rsp_update_session_parameters(sd, &params), EBADF);
    FAILS(rsp_bind(sd, (struct sockaddr *)&address, 1), EBADF);
    FAILS(rsp_listen(sd, 1), EBADF);
    FAILS(rsp_getsockname(sd, NULL, NULL, NULL), EBADF);
    FAILS(rsp_getpeername(sd, NULL, NULL, NULL), EBADF);
    FAILS(rsp_close(sd), EBADF);
    FAILS(rsp_getsockopt(sd, SOL_SOCKET, SO_TYPE, &value, &length), EBADF);
    FAILS(rsp_setsockopt(sd, SOL_RSP, RSP_OPT_FAILOVER, &value, sizeof(value)), EBADF);
    FAILS(rsp_register(sd, text("x"), 1, NULL, 0, 0), EBADF);
    FAILS(rsp_deregister(sd, 0), EBADF);
    FAILS(rsp_accept(sd, 0), EBADF);
    FAILS(rsp_connect(sd, text("x"), 1, 0), EBADF);
    FAILS(rsp_has_cookie(sd), EBADF);
    FAILS(rsp_forcefailover(sd, FFF_NONE, 0), EBADF);
    FAILS(rsp_sendmsg(sd, &byte, 1, 0, 0, 0, 0, 0, 0, 0), EBADF);
    FAILS(rsp_send_cookie(sd, text("x"), 1, 0, 0), EBADF);
    FAILS(rsp_recvmsg(sd, &byte, 1, &rinfo, &flags, 0), EBADF);
    FAILS(rsp_recvfullmsg(sd, &byte, 1, &rinfo, &flags, 0), EBADF);
    FAILS(rsp_read(sd, &byte, 1), EBADF);
    FAILS(rsp_recv(sd, &byte, 1, 0), EBADF);
    FAILS(rsp_write(sd, &byte, 1), EBADF);
    FAILS(rsp_send(sd, &byte, 1, 0), EBADF);
    FAILS(rsp_mapsocket(sd, -1), EBADF);
    FAILS(rsp_unmapsocket(sd), EBADF);
    FAILS(rsp_csp_setstatus(sd, 0, "x"), EBADF);
}

static int socket_of(int type)
{
    int sd = rsp_socket(AF_INET, type, protocol);
    CHECK(sd >= 0);
    return sd;
}

static void wrong_arguments(void)
{
    FAILS(rsp_socket(12345, SOCK_SEQPACKET, 0), EAFNOSUPPORT);
    FAILS(rsp_socket(AF_INET, 12345, 0), EPROTOTYPE);
    FAILS(rsp_socket(AF_INET, SOCK_SEQPACKET, IPPROTO_UDP), EPROTONOSUPPORT);
    int sd = socket_of(SOCK_SEQPACKET), value = 0;
    char byte = 1;
    socklen_t length = sizeof(value);
    FAILS(rsp_connect(sd, NULL, 4, 0), EFAULT);
    FAILS(rsp_connect(sd, text(""), 0, 0), EINVAL);
    FAILS(rsp_register(sd, NULL, 4, NULL, 0, 0), EFAULT);
    FAILS(rsp_register(sd, text(""), 0, NULL, 0, 0), EINVAL);
    FAILS(rsp_bind(sd, NULL, 1), EFAULT);
    FAILS(rsp_bind(sd, NULL, -1), EINVAL);
    FAILS(rsp_sendmsg(sd, NULL, 1, 0, 1, 0, 0, 0, 0, 0), EFAULT);
    FAILS(rsp_recvmsg(sd, NULL, 1, NULL, NULL, 0), EFAULT);
    FAILS(rsp_recvmsg(sd, &byte, 1, NULL, NULL, 0), ENOTCONN);
    FAILS(rsp_send(sd, &byte, 1, 0), EDESTADDRREQ);
    FAILS(rsp_getpeername(sd, NULL, NULL, NULL), ENOTCONN);
    FAILS(rsp_getsockname(sd, NULL, NULL, NULL), ENOTCONN);
    FAILS(rsp_deregister(sd, 0), ENOTCONN);
    FAILS(rsp_has_cookie(sd), ENOTCONN);
    FAILS(rsp_forcefailover(sd, 0, 0), ENOTCONN);
    FAILS(rsp_accept(sd, 0), EOPNOTSUPP);
    FAILS(rsp_getsockopt(sd, SOL_RSP, 9999, &value, &length), ENOPROTOOPT);
    struct timeval times[] = {{-1, 0}, {0, 1000000}};
    FAILS(rsp_setsockopt(sd, SOL_SOCKET, SO_RCVTIMEO, &times[0], sizeof(times[0])), EINVAL);
    FAILS(rsp_setsockopt(sd, SOL_SOCKET, SO_SNDTIMEO, &times[1], sizeof(times[1])), EINVAL);
    FAILS(rsp_setsockopt(sd, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof(value)), EINVAL);
    FAILS(rsp_update_session_parameters(sd, NULL), EFAULT);
    FAILS(rsp_connect(sd, text("nobody is here"), 14, 0), ENOENT);
    CHECK(rsp_close(sd) == 0);
    bad_descriptors(sd);
    bad_descriptors(-1);
}

static void basic_mode(void)
{
    struct sockaddr_in here;
    memset(&here, 0, sizeof(here));
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = inet_addr(own_address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t length = sizeof(here);
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&here, sizeof(here)) == 0 && listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&here, &length) == 0);

    struct rsp_addrinfo own, *found = &own;
    memset(&own, 0, sizeof(own));
    own.ai_family = AF_INET;
    own.ai_socktype = SOCK_STREAM;
    own.ai_protocol = IPPROTO_TCP;
    own.ai_addrlen = sizeof(here);
    own.ai_addrs = 1;
    own.ai_addr = (struct sockaddr *)&here;
    CHECK(rsp_getaddrinfo(text("basic"), 5, &found, RSPGETADDRS_DEFAULT, 0) == REAI_NONAME && found == NULL);
    CHECK(rsp_pe_registration(text("basic"), 5, &own, NULL, 60000, 0) == RSPERR_OKAY);
    CHECK(own.ai_pe_id != 0);
    struct rsp_addrinfo other = own;
    struct rsp_loadinfo least_used;
    memset(&least_used, 0, sizeof(least_used));
    least_used.rli_policy = PPT_LEASTUSED;
    other.ai_pe_id = 0;
    CHECK(rsp_pe_registration(text("basic"), 5, &other, &least_used, 60000, 0) == RSPERR_INCONSISTENT_POOL_POLICY);
    CHECK(rsp_pe_registration(text("basic"), 5, &own, NULL, 60000, REGF_DONTWAIT) == RSPERR_OKAY);

    CHECK(rsp_getaddrinfo(text("basic"), 5, &found, RSPGETADDRS_MAX, 0) == 1);
    CHECK(found->ai_pe_id == own.ai_pe_id && found->ai_addrs == 1 && found->ai_next == NULL);
    CHECK(found->ai_family == AF_INET && found->ai_socktype == SOCK_STREAM && found->ai_protocol == IPPROTO_TCP);
    int sd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    CHECK(sd >= 0 && connect(sd, found->ai_addr, (socklen_t)found->ai_addrlen) == 0);
    close(sd);
    close(listener);
    rsp_freeaddrinfo(found);
    rsp_freeaddrinfo(NULL);
    CHECK(rsp_getaddrinfo(text("basic"), 5, &found, RSPGETADDRS_MIN, 10000) == 1);
    rsp_freeaddrinfo(found);
    CHECK(rsp_pe_failure(text("basic"), 5, own.ai_pe_id) == RSPERR_OKAY);
    CHECK(rsp_pe_deregistration(text("basic"), 5, own.ai_pe_id, 0) == RSPERR_OKAY);
    CHECK(rsp_pe_deregistration(text("basic"), 5, own.ai_pe_id, DEREGF_DONTWAIT) == RSPERR_NOT_FOUND);
    CHECK(rsp_getaddrinfo(text("basic"), 5, &found, RSPGETADDRS_MAX, 0) == REAI_NONAME && found == NULL);

    CHECK(rsp_getaddrinfo(NULL, 5, &found, 1, 0) == REAI_SYSTEM && errno == EFAULT);
    CHECK(rsp_getaddrinfo(text("basic"), 5, NULL, 1, 0) == REAI_SYSTEM && errno == EFAULT);
    CHECK(rsp_pe_registration(text("basic"), 5, NULL, NULL, 1000, 0) == RSPERR_INVALID_ARGUMENT);
    CHECK(rsp_pe_registration(NULL, 5, &own, NULL, 1000, 0) == RSPERR_INVALID_ARGUMENT);
    CHECK(rsp_pe_failure(NULL, 5, 1) == RSPERR_INVALID_ARGUMENT);
    CHECK(rsp_pe_deregistration(text(""), 0, 1, 0) == RSPERR_INVALID_ARGUMENT);
}

/* RSPLIB's own policies are known, too; two of its numbers have no form on the wire. */
static void policies_of_rsplib(void)
{
    struct rsp_loadinfo load;
    memset(&load, 0, sizeof(load));
    load.rli_policy = PPT_LEASTUSED_DEGRADATION_DPF;
    load.rli_load_degradation = PPV_MAX_LOAD_DEGRADATION / 10;
    load.rli_load_dpf = PPV_MAX_LOAD_DPF / 1000;
    int sd = rsp_socket(AF_INET, SOCK_SEQPACKET, protocol);
    CHECK(sd >= 0 && rsp_register(sd, text("distant"), 7, &load, 10000, 0) == 0);
    load.rli_load = PPV_MAX_LOAD / 2;
    CHECK(rsp_register(sd, text("distant"), 7, &load, 10000, 0) == 0);
    CHECK(rsp_close(sd) == 0);
    sd = rsp_socket(AF_INET, SOCK_SEQPACKET, protocol);
    load.rli_policy = PPT_PRIORITY_LEASTUSED_DPF;
    FAILS(rsp_register(sd, text("distant"), 7, &load, 10000, 0), EINVAL);
    CHECK(rsp_close(sd) == 0);
}

static struct rsp_loadinfo priority(uint32_t value)
{
    struct rsp_loadinfo load;
    memset(&load, 0, sizeof(load));
    load.rli_policy = PPT_PRIORITY;
    load.rli_weight = value;
    return load;
}

static int server(int type, const char *pool, uint32_t its_priority)
{
    int sd = socket_of(type);
    struct sockaddr_in any;
    memset(&any, 0, sizeof(any));
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = inet_addr(own_address);
    CHECK(rsp_bind(sd, (struct sockaddr *)&any, 1) == 0);
    if (type == SOCK_STREAM)
        CHECK(rsp_listen(sd, 10) == 0);
    struct rsp_loadinfo load = priority(its_priority);
    CHECK(rsp_register(sd, text(pool), strlen(pool), &load, 10000, 0) == 0);
    return sd;
}

/* A server of many sessions: what it says back, and what it keeps in the cookie. */
static void many_sessions(void)
{
    struct rsp_loadinfo round_robin;
    struct rsp_sndrcvinfo rinfo;
    char buffer[4096];
    int pe = server(SOCK_SEQPACKET, "many", 1), value = 1, flags = 0;
    socklen_t length = sizeof(value);
    size_t size = 2;
    uint32_t id = 0, peer_id = 0;

    CHECK(rsp_getsockname(pe, NULL, NULL, &id) == 0 && id != 0);
    FAILS(rsp_getsockname(pe, (unsigned char *)buffer, &size, NULL), ENOBUFS);
    CHECK(size == 4);
    size = sizeof(buffer);
    CHECK(rsp_getsockname(pe, (unsigned char *)buffer, &size, &id) == 0 && size == 4 && memcmp(buffer, "many", 4) == 0);
    FAILS(rsp_connect(pe, text("many"), 4, 0), EISCONN);

    /* The registrar's word is heard. */
    int rejected = socket_of(SOCK_SEQPACKET);
    memset(&round_robin, 0, sizeof(round_robin));
    round_robin.rli_policy = PPT_ROUNDROBIN;
    FAILS(rsp_register(rejected, text("many"), 4, &round_robin, 0, 0), EDOM);
    CHECK(rsp_close(rejected) == 0);
    /* Again: other values. */
    struct rsp_loadinfo more = priority(9);
    CHECK(rsp_register(pe, text("many"), 4, &more, 10000, REGF_DONTWAIT) == 0);

    FAILS(rsp_recvmsg(pe, buffer, sizeof(buffer), &rinfo, &flags, 0), EAGAIN);
    FAILS(rsp_sendmsg(pe, "x", 1, 0, 0, 0, 0, 0, 0, 0), EDESTADDRREQ);
    FAILS(rsp_sendmsg(pe, "x", 1, 0, 4711, 0, 0, 0, 0, 0), ENOTCONN);

    int pu = socket_of(SOCK_SEQPACKET);
    struct rserpool_session_parameters params = {0, 0, 0, 0, 0, 2000};
    CHECK(rsp_update_session_parameters(pu, &params) == 0 && params.sp_hbinterval == 2000 && params.sp_rto_initial != 0);
    CHECK(rsp_getsockopt(pu, SOL_SOCKET, SO_TYPE, &value, &length) == 0 && value == SOCK_SEQPACKET);
    CHECK(rsp_getsockopt(pu, SOL_RSP, RSP_OPT_FAILOVER, &value, &length) == 0 && value == 0);
    CHECK(rsp_setsockopt(pu, SOL_RSP, RSP_OPT_FAILOVER, &value, sizeof(value)) == 0);
    CHECK(rsp_connect(pu, text("many"), 4, 0) == 0);
    FAILS(rsp_connect(pu, text("many"), 4, 0), EISCONN);
    size = sizeof(buffer);
    CHECK(rsp_getpeername(pu, (unsigned char *)buffer, &size, &peer_id) == 0 && peer_id == id && size == 4);
    CHECK(rsp_has_cookie(pu) == 0);

    CHECK(send_text(pu, 0, "hello") == 5);
    rserpool_session_t session = expect(pe, RSERPOOL_SESSION_CHANGE, RSERPOOL_SESSION_ADD).rn_session_change.rsc_session;
    CHECK(session > 0 && session < SESSION_SETSIZE);
    CHECK(receive(pe, buffer, sizeof(buffer), &rinfo) == 5 && memcmp(buffer, "hello", 5) == 0);
    CHECK(rinfo.rinfo_session == session && rinfo.rinfo_ppid == htonl(7) && rinfo.rinfo_stream == 0);
    CHECK(rsp_csp_setstatus(pe, session, "serving") == 0 && rsp_csp_setstatus(pe, 0, NULL) == 0);
    FAILS(rsp_csp_setstatus(pe, 4711, "x"), ENOTCONN);

    /* The answer stays while the buffer is small, and a PU knows who it is from. */
    CHECK(send_text(pe, session, "an answer") == 9);
    flags = 0;
    CHECK(rsp_recvmsg(pu, buffer, 3, &rinfo, &flags, WAIT) == 3 && !(flags & MSG_EOR) && memcmp(buffer, "an ", 3) == 0);
    CHECK(rinfo.rinfo_pe_id == id && rinfo.rinfo_ppid == htonl(7));
    flags = 0;
    CHECK(rsp_recvfullmsg(pu, buffer, sizeof(buffer), &rinfo, &flags, WAIT) == 6 && (flags & MSG_EOR) && memcmp(buffer, "answer", 6) == 0);

    /* Waiting: poll, select without a timeout, epoll; what is not ready is not said to be. */
    struct pollfd fds[2] = {{pu, POLLIN, 0}, {pe, POLLIN | POLLOUT, 0}};
    CHECK(rsp_poll(fds, 1, 0) == 0 && fds[0].revents == 0);
    fds[0].events = POLLIN | POLLOUT;
    CHECK(rsp_poll(fds, 1, WAIT) == 1 && fds[0].revents == POLLOUT);
    fds[0].events = POLLIN;
    CHECK(rsp_write(pu, "one", 3) == 3);
    fds[1].events = POLLIN;
    CHECK(rsp_poll(fds, 2, WAIT) == 1 && fds[0].revents == 0 && fds[1].revents == POLLIN);
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(pu, &readable);
    FD_SET(pe, &readable);
    CHECK(rsp_select((pu > pe ? pu : pe) + 1, &readable, NULL, NULL, NULL) == 1 && FD_ISSET(pe, &readable) && !FD_ISSET(pu, &readable));
    struct timeval none = {0, 0};
    FD_ZERO(&readable);
    FD_SET(pu, &readable);
    CHECK(rsp_select(pu + 1, &readable, NULL, NULL, &none) == 0 && !FD_ISSET(pu, &readable));
    int epoll = epoll_create1(0);
    struct epoll_event event;
    memset(&event, 0, sizeof(event));
    event.events = EPOLLIN;
    event.data.fd = pe;
    CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, pe, &event) == 0);
    CHECK(epoll_wait(epoll, &event, 1, WAIT) == 1 && event.data.fd == pe);
    close(epoll);
    CHECK(rsp_recv(pe, buffer, sizeof(buffer), 0) == 3 && memcmp(buffer, "one", 3) == 0);

    CHECK(rsp_send(pu, "two", 3, MSG_DONTWAIT) == 3);
    CHECK(rsp_read(pe, buffer, sizeof(buffer)) == 3 && memcmp(buffer, "two", 3) == 0);
    FAILS(rsp_recv(pe, buffer, sizeof(buffer), MSG_DONTWAIT), EAGAIN);
    FAILS(rsp_send(pu, "", 0, 0), EINVAL);

    FAILS(rsp_send_cookie(pu, text("mine"), 4, 0, WAIT), EOPNOTSUPP);
    CHECK(rsp_send_cookie(pe, text("state 1."), 8, session, WAIT) == 8);
    for (int i = 0; rsp_has_cookie(pu) == 0; i++) {
        CHECK(i < WAIT / 10);
        usleep(10000);
    }

    /* The PU goes: the PE hears of it. */
    CHECK(rsp_close(pu) == 0);
    CHECK(expect(pe, RSERPOOL_SHUTDOWN_EVENT, 0).rn_shutdown_event.rse_session == session);
    CHECK(expect(pe, RSERPOOL_SESSION_CHANGE, RSERPOOL_SESSION_REMOVE).rn_session_change.rsc_session == session);
    FAILS(send_text(pe, session, "too late"), ENOTCONN);
    CHECK(rsp_deregister(pe, 0) == 0);
    FAILS(rsp_deregister(pe, DEREGF_DONTWAIT), ENOTCONN);
    CHECK(rsp_close(pe) == 0);
}

/* Sessions with descriptors of their own. */
static void accepted_sessions(void)
{
    char buffer[64];
    int pe = server(SOCK_STREAM, "accepted", 1), value = 0;
    socklen_t length = sizeof(value);
    CHECK(rsp_getsockopt(pe, SOL_SOCKET, SO_TYPE, &value, &length) == 0 && value == SOCK_STREAM);
    FAILS(rsp_accept(pe, 0), EAGAIN);
    FAILS(rsp_accept(pe, 20), EAGAIN);
    int pu = socket_of(SOCK_STREAM);
    CHECK(rsp_connect(pu, text("accepted"), 8, 1000) == 0);
    CHECK(rsp_send(pu, "ping", 4, 0) == 4);
    int session = rsp_accept(pe, WAIT);
    CHECK(session >= 0);
    CHECK(rsp_recv(session, buffer, sizeof(buffer), 0) == 4 && memcmp(buffer, "ping", 4) == 0);
    CHECK(rsp_send(session, "pong", 4, 0) == 4);
    CHECK(rsp_recv(pu, buffer, sizeof(buffer), 0) == 4 && memcmp(buffer, "pong", 4) == 0);
    CHECK(rsp_send_cookie(session, text("kept"), 4, 0, WAIT) == 4);
    CHECK(rsp_close(pu) == 0);
    CHECK(rsp_recv(session, buffer, sizeof(buffer), 0) == 0);
    CHECK(rsp_close(session) == 0 && rsp_close(pe) == 0);
}

static pid_t child(const char *pool, int argc, char **argv, int *out)
{
    int pipe_ends[2];
    char serve[64], *words[64];
    snprintf(serve, sizeof(serve), "-serve=%s", pool);
    CHECK(pipe(pipe_ends) == 0 && argc < 60);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(pipe_ends[1], 1);
        words[0] = argv[0];
        words[1] = serve;
        for (int i = 1; i <= argc; i++)
            words[i + 1] = argv[i];
        execv(argv[0], words);
        _exit(127);
    }
    close(pipe_ends[1]);
    *out = pipe_ends[0];
    char byte;
    CHECK(read(*out, &byte, 1) == 1 && byte == 'R');
    return pid;
}

/* The child: says everything back, and how often, in a cookie. */
static int serve(const char *pool)
{
    int sd = server(SOCK_SEQPACKET, pool, 100), count = 0;
    CHECK(write(1, "R", 1) == 1);
    while (sd >= 0) {
        char buffer[65536], cookie[32];
        struct rsp_sndrcvinfo rinfo;
        ssize_t n = receive(sd, buffer, sizeof(buffer), &rinfo);
        CHECK(n >= 0);
        int length = snprintf(cookie, sizeof(cookie), "count %6d", ++count);
        CHECK(rsp_send_cookie(sd, text(cookie), (size_t)length, rinfo.rinfo_session, WAIT) == length);
        CHECK(rsp_sendmsg(sd, buffer, (size_t)n, 0, rinfo.rinfo_session, rinfo.rinfo_ppid, 0, 0, 0, WAIT) == n);
    }
    return 1;
}

static void failover(int argc, char **argv)
{
    char buffer[4096];
    struct rsp_sndrcvinfo rinfo;
    union rserpool_notification n;
    uint32_t id = 0, second = 0, third = 0;
    int out, flags = 0;
    pid_t pid = child("moving", argc, argv, &out);
    int pe = server(SOCK_SEQPACKET, "moving", 50), last = server(SOCK_SEQPACKET, "moving", 1);
    CHECK(rsp_getsockname(pe, NULL, NULL, &second) == 0 && rsp_getsockname(last, NULL, NULL, &third) == 0);
    int pu = socket_of(SOCK_SEQPACKET);
    CHECK(rsp_connect(pu, text("moving"), 6, 0) == 0);
    CHECK(rsp_getpeername(pu, NULL, NULL, &id) == 0 && id != second && id != third);
    CHECK(send_text(pu, 0, "first") == 5);
    CHECK(receive(pu, buffer, sizeof(buffer), &rinfo) == 5 && rinfo.rinfo_pe_id == id);
    for (int i = 0; rsp_has_cookie(pu) == 0; i++) {
        CHECK(i < WAIT / 10);
        usleep(10000);
    }

    /* It dies: said at once, and nothing is done before the application says so. */
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    close(out);
    n = expect(pu, RSERPOOL_FAILOVER, RSERPOOL_FAILOVER_NECESSARY);
    CHECK(n.rn_failover.rf_has_cookie == 1);
    FAILS(send_text(pu, 0, "not now"), EIO);
    CHECK(rsp_forcefailover(pu, FFF_UNREACHABLE, 0) == 0);
    n = expect(pu, RSERPOOL_FAILOVER, RSERPOOL_FAILOVER_COMPLETE);
    CHECK(n.rn_failover.rf_has_cookie == 1);
    CHECK(rsp_getpeername(pu, NULL, NULL, &id) == 0 && id == second);

    CHECK(send_text(pu, 0, "second") == 6);
    rserpool_session_t session = expect(pe, RSERPOOL_SESSION_CHANGE, RSERPOOL_SESSION_ADD).rn_session_change.rsc_session;
    ssize_t length = rsp_recvmsg(pe, buffer, sizeof(buffer), &rinfo, &flags, WAIT);
    CHECK(length == 12 && (flags & MSG_RSERPOOL_COOKIE_ECHO) && memcmp(buffer, "count      1", 12) == 0);
    CHECK(rinfo.rinfo_session == session);
    CHECK(receive(pe, buffer, sizeof(buffer), &rinfo) == 6 && memcmp(buffer, "second", 6) == 0);
    CHECK(rsp_send_cookie(pe, text("from pe2"), 8, session, WAIT) == 8 && send_text(pe, session, "yes") == 3);
    CHECK(receive(pu, buffer, sizeof(buffer), NULL) == 3);

    /* By will of the application, although nothing failed. */
    CHECK(rsp_deregister(pe, 0) == 0);
    CHECK(rsp_forcefailover(pu, FFF_NONE, 0) == 0);
    n = expect(pu, RSERPOOL_FAILOVER, RSERPOOL_FAILOVER_COMPLETE);
    CHECK(rsp_getpeername(pu, NULL, NULL, &id) == 0 && id == third);
    expect(pe, RSERPOOL_SESSION_CHANGE, RSERPOOL_SESSION_REMOVE);
    CHECK(send_text(pu, 0, "third") == 5);
    expect(last, RSERPOOL_SESSION_CHANGE, RSERPOOL_SESSION_ADD);
    flags = 0;
    CHECK(rsp_recvmsg(last, buffer, sizeof(buffer), NULL, &flags, WAIT) == 8 && (flags & MSG_RSERPOOL_COOKIE_ECHO));
    CHECK(memcmp(buffer, "from pe2", 8) == 0);
    CHECK(receive(last, buffer, sizeof(buffer), NULL) == 5);
    CHECK(rsp_close(pu) == 0 && rsp_close(pe) == 0 && rsp_close(last) == 0);
}

static void mapped(void)
{
    int ends[2];
    char buffer[16];
    CHECK(pipe(ends) == 0);
    CHECK(rsp_mapsocket(ends[0], -1) == ends[0]);
    CHECK(write(ends[1], "line", 4) == 4);
    struct pollfd fd = {ends[0], POLLIN, 0};
    CHECK(rsp_poll(&fd, 1, WAIT) == 1 && fd.revents == POLLIN);
    CHECK(rsp_read(ends[0], buffer, sizeof(buffer)) == 4 && memcmp(buffer, "line", 4) == 0);
    CHECK(rsp_unmapsocket(ends[0]) == 0);
    FAILS(rsp_unmapsocket(ends[0]), EBADF);
    FAILS(rsp_mapsocket(ends[0], ends[1]), EBUSY);
    CHECK(rsp_mapsocket(ends[0], 200) == 200);
    CHECK(rsp_write(ends[1], "more", 4) == 4 && rsp_read(200, buffer, sizeof(buffer)) == 4);
    CHECK(rsp_unmapsocket(200) == 0 && fcntl(200, F_GETFD) == -1 && fcntl(ends[0], F_GETFD) != -1);
    CHECK(rsp_mapsocket(ends[0], -1) == ends[0] && rsp_close(ends[0]) == 0 && fcntl(ends[0], F_GETFD) == -1);
    close(ends[1]);
    CHECK(rsp_unmapsocket(0) == 0 && rsp_mapsocket(0, 0) == 0);
}

int main(int argc, char **argv)
{
    setup(argc, argv);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "-serve=", 7) == 0)
            return serve(argv[i] + 7);
    policies();
    wrong_arguments();
    basic_mode();
    policies_of_rsplib();
    many_sessions();
    accepted_sessions();
    failover(argc, argv);
    mapped();
    rsp_cleanup();
    rsp_cleanup();
    printf("every call of <rserpool.h> does what its page says\n");
    return 0;
}
