/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * <rsp.h>: highly available sockets, draft-silverton-rserpool-api (seed 000).
 *
 * A pool element (server) is rsp_socket, rsp_bind, rsp_register; a pool user (client) is rsp_socket, rsp_connect. Then both rsp_sendmsg and
 * rsp_recvmsg. A session goes on at another server when its own dies.
 *
 * Every function returns -1 (or NULL) and sets errno when it fails; rsp_lasterror() says more. Besides what is listed at each: EBADF (closed, or no
 * socket of ours), EFAULT (NULL), EINVAL, EAGAIN (it would have to wait), EINTR (a signal handler ran), ENOMEM.
 * Any thread may call any function on any descriptor. What is passed is copied; what is returned by pointer names the call that frees it.
 *
 * Descriptors work in poll, select and epoll; close() cleans up as rsp_close() does, without waiting. O_NONBLOCK by fcntl() counts. They are
 * close-on-exec. A child after fork() cannot use what it inherited (EBADF), but open its own. Don't read() or write() them.
 */
#ifndef RSP_H
#define RSP_H
#ifdef RSERPOOL_H
#error "<rsp.h> and <rserpool.h> give one name different meanings: include one of them"
#endif

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <poll.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef IPPROTO_SCTP
#define IPPROTO_SCTP 132
#endif

enum {
    /* In flags, msg_flags and sinfo_flags of a send. Neither of the first two: as RSP_OPT_FAILOVER says. */
    FAILOVER_ALLOWED = 0x00200000,     /* another server gets it if this one dies before its outcome is known */
    FAILOVER_NOT_ALLOWED = 0x00400000, /* it comes back: RSP_RETURNED */
    RSP_ACK = 0x00800000,              /* its outcome is to be the word of the peer's application */
    RSP_UNORDERED = 0x01000000,        /* it need not keep its place in its stream */
    /* In msg_flags and sinfo_flags of a receive, ignored in a send. MSG_EOR: the message ends here. */
    RSP_NOTIFICATION = 0x8000, /* a struct rsp_notification */
    RSP_RESENT = 0x10000,      /* the peer sent it before, to a server that failed */
    RSP_ACK_WANTED = 0x20000,  /* the sender waits for rsp_ack or rsp_reply */

    /* Policies, RFC 5356. */
    RSP_ROUND_ROBIN = 1,
    RSP_WEIGHTED_ROUND_ROBIN = 2,
    RSP_RANDOM = 3,
    RSP_WEIGHTED_RANDOM = 4,
    RSP_PRIORITY = 5,
    RSP_LEAST_USED = 0x40000001,
    RSP_LEAST_USED_DEGRADATION = 0x40000002,
    RSP_PRIORITY_LEAST_USED = 0x40000003,
    RSP_RANDOMIZED_LEAST_USED = 0x40000004,

    /* Mappings. */
    RSP_NO_MAPPING = 0, /* the application connects by itself */
    RSP_MAPPING_SCTP = 1,
    RSP_MAPPING_TCP = 2,

    /* Outcomes. */
    RSP_ACKNOWLEDGED = 1, /* the server's application acknowledged or answered it */
    RSP_DELIVERED = 2,    /* the server's transport has it; over TCP, its application took it */
    RSP_RETURNED = 3,     /* not delivered as far as is known, and not sent again */

    AF_RSP = 245,
    SOL_RSP = 245,
    RSP_MAX_HANDLE = 256, /* bytes of a pool handle */

    /* Ancillary data, level SOL_RSP. */
    RSP_CMSG_INFO = 1,     /* struct rsp_sndrcvinfo; into a send, out of a receive */
    RSP_CMSG_PEHANDLE = 2, /* struct sockaddr_pehandle; put one into a send to be told who got the message */

    /* Events for rsp_notify. */
    RSP_N_FAILOVER = 1,       /* session n_session goes on at n_pe; n_code RSP_CAUSE_*, n_count failovers so far, n_flags RSP_COOKIE_SENT */
    RSP_N_COOKIE = 2,         /* the pool user comes from another server, which left it this: n_length bytes, before any data; n_code 1: it does
                                 not verify (RSP_OPT_COOKIE_KEY) and is not shown */
    RSP_N_OUTCOME = 4,        /* n_code RSP_ACKNOWLEDGED, ..; for RSP_RETURNED n_count is RSP_RETURN_* and the message follows */
    RSP_N_SESSION = 8,        /* n_code RSP_SESSION_* */
    RSP_N_BUSINESS_CARD = 16, /* the peer is a PE, too: its pool is that of n_pe, n_count struct sockaddr_pehandle it prefers follow */
    RSP_N_REGISTRATION = 32,  /* n_code 1: registered at the registrar spe_addr */
    RSP_N_PATH = 64,          /* the path to spe_addr changed: n_code RSP_PATH_* */
    RSP_N_RESERVATION = 128,

    RSP_COOKIE_SENT = 1, /* n_flags of a failover: the new server has the cookie of the old one */

    /* Why a session left a server. */
    RSP_CAUSE_TRANSPORT_LOST = 1,
    RSP_CAUSE_HEARTBEAT_MISSED = 2,
    RSP_CAUSE_REGISTRAR_PUSH = 3,
    RSP_CAUSE_APPLICATION = 4,
    RSP_CAUSE_DRAIN = 5,

    /* Why a message came back. */
    RSP_RETURN_NO_FAILOVER = 1,
    RSP_RETURN_SESSION_ENDED = 2,
    RSP_RETURN_TOO_LONG = 3,
    RSP_RETURN_EXPIRED = 4,
    RSP_RETURN_NOT_SENDABLE = 5,

    RSP_SESSION_UP = 1,
    RSP_SESSION_LEAVING = 2,   /* its server; n_count is RSP_CAUSE_*; a failover follows */
    RSP_SESSION_NO_SERVER = 3, /* none of the pool answers; it is tried again until the session is given up */
    RSP_SESSION_DRAIN = 4,     /* the server leaves its pool */
    RSP_SESSION_DOWN = 5,      /* ended in order */
    RSP_SESSION_LOST = 6,

    RSP_PATH_AVAILABLE = 0,
    RSP_PATH_UNREACHABLE = 1,
    RSP_PATH_ADDED = 2,
    RSP_PATH_REMOVED = 3,
    RSP_PATH_PRIMARY = 4,
    RSP_PATH_CONFIRMED = 5,

    RSP_POOL_STALE = 1, /* pi_flags: no registrar answers, this is what was known */

    /* Options, level SOL_RSP; 4 bytes each unless another type is named, no number below 0 or above 2147483647 but the PE identifier. They count for
     * what is connected or registered afterwards; RSP_OPT_STALE and RSP_OPT_LINGER at once. */
    RSP_OPT_FAILOVER = 1,   /* messages without a flag may go to another server (1) or come back (0); default 1 */
    RSP_OPT_ACKS = 2,       /* this PE calls rsp_ack or rsp_reply; default 0 */
    RSP_OPT_WINDOW = 3,     /* bytes sent without outcome; 0 in a get = as configured, here and below */
    RSP_OPT_HEARTBEAT = 4,  /* ms between session heartbeats */
    RSP_OPT_STALE = 5,      /* whether rsp_getpoolinfo may answer from the cache, as configured (1), or asks a registrar (0) */
    RSP_OPT_LINGER = 6,     /* ms rsp_close waits for outcomes */
    RSP_OPT_LIFE = 7,       /* ms of registration life; renewed in time */
    RSP_OPT_PE_ID = 8,      /* PE identifier; random if not set */
    RSP_OPT_COOKIE_KEY = 9, /* text, set only: a number, a colon, 64 hexadecimal digits; the first key seals this PE's cookies, all verify */
    RSP_OPT_RESERVE = 10,   /* struct rsp_reservation */
    RSP_OPT_STREAMS = 11,   /* get: EOPNOTSUPP, no mapping tells; a message on a stream that is not there: RSP_RETURN_NOT_SENDABLE */
    RSP_OPT_RTT = 12,       /* get: microseconds, smoothed, of the path messages take */
    RSP_OPT_RTO = 13,       /* get: microseconds */
    RSP_OPT_PMTU = 14,      /* get: bytes */
    RSP_OPT_MAPPING = 15,   /* RSP_*MAPPING*; a get after connect or register says which it became */
    RSP_OPT_FEATURES = 16,  /* get: 1 = the server acknowledges */
    RSP_OPT_UNACKED = 17    /* get: sends with sinfo_context whose outcome is not known */
};

/* For rsp_initialize; all zero = what environment, /etc/rserpool/client.toml and profile say. */
struct rsp_info {
    const char *info_config;     /* TOML file */
    const char *info_registrars; /* "host:3863,[::1]:3863"; otherwise by configuration, or multicast */
    const char *info_profile;    /* "standard", "rfc", "rsplib", "fast" */
    const char *info_transport;  /* "auto", "sctp", "sctp-udp", "tcp" */
    uint64_t info_reserved[8];
};

/* What a policy works with; loads are fractions: 0xffffffff = 100 %. */
struct rsp_loadinfo {
    uint32_t policy;
    uint32_t weight;
    uint32_t priority;
    uint32_t load;
    uint32_t load_degradation;
    uint32_t weight_dpf;
    uint32_t load_dpf;
    uint32_t reserved;
};

/* A message: what a send wants, what a receive found. */
struct rsp_sndrcvinfo {
    uint32_t sinfo_session;    /* which session of a one-to-many socket; 0 = the connected one */
    uint32_t sinfo_ppid;       /* payload protocol identifier, network byte order as in RFC 6458 */
    uint32_t sinfo_flags;      /* of the first enum, MSG_* */
    uint32_t sinfo_timetolive; /* ms after which it is neither sent nor sent again: RSP_RETURN_EXPIRED; 0 = no limit */
    uint32_t sinfo_context;    /* yours; comes back with the outcome; 0 = none */
    uint32_t sinfo_id;         /* receive: message id, the same when resent, unique in its session; 0 = none */
    uint32_t sinfo_pe_id;      /* receive: the PE it came from; 0 = a pool user */
    uint16_t sinfo_stream;
    uint16_t sinfo_reserved;
};

/* A PE handle: the structure whose fields seed 000 leaves to be determined. */
struct sockaddr_pehandle {
    sa_family_t spe_family; /* AF_RSP */
    uint16_t spe_handlelen; /* bytes of spe_handle */
    uint32_t spe_pe_id;     /* in a send 0 = any PE of the pool */
    uint8_t spe_mapping;    /* RSP_*MAPPING* */
    uint8_t spe_protocol;   /* IPPROTO_* */
    uint16_t spe_reserved[3];
    struct sockaddr_storage spe_addr; /* first address, with port */
    char spe_handle[RSP_MAX_HANDLE];  /* pool handle: any bytes, no NUL at the end */
};

/* n_length bytes follow it: cookie, returned message, business card. */
struct rsp_notification {
    uint16_t n_type; /* RSP_N_* */
    uint16_t n_flags;
    uint32_t n_length;
    uint32_t n_session;
    uint32_t n_context;
    uint32_t n_code;
    uint32_t n_count;
    /* The server it is about: for RSP_SESSION_LEAVING and DOWN the one that is left, for an outcome the one that has the message, or had it last; one
     * that is not known any more has pool and identifier alone, nobody has identifier 0. RSP_SESSION_NO_SERVER: none. At a server, only the pool
     * user's address. */
    struct sockaddr_pehandle n_pe;
};

struct rsp_peinfo {
    struct sockaddr_pehandle pe_handle;
    struct rsp_loadinfo pe_load;
    uint32_t pe_home;    /* identifier of its registrar */
    uint32_t pe_life_ms; /* registration life; 0xffffffff = for ever */
    size_t pe_naddrs;
    struct sockaddr_storage *pe_addrs;
};

struct rsp_poolinfo {
    uint32_t pi_policy;
    uint32_t pi_flags;
    size_t pi_count;
    struct rsp_peinfo *pi_pe; /* in the order the policy puts them */
};

struct rsp_reservation {
    uint64_t rr_bits_per_s;
    uint32_t rr_burst; /* bytes */
    uint32_t rr_flags; /* 1 towards PE, 2 towards PU, 4 required */
};

typedef void (*rsp_notify_fn)(int fd, const struct rsp_notification *n, void *arg);

int rsp_ha_initialize(const struct rsp_info *);
void rsp_ha_cleanup(void);
ssize_t rsp_ha_socket(int, int, int);
ssize_t rsp_ha_bind(int, const void *, socklen_t);
ssize_t rsp_ha_listen(int, int);
ssize_t rsp_ha_accept(int, struct sockaddr_pehandle *);
ssize_t rsp_ha_connect(int, const void *, size_t);
ssize_t rsp_ha_close(int);
ssize_t rsp_ha_register(int, const void *, size_t, const struct rsp_loadinfo *);
ssize_t rsp_ha_deregister(int);
ssize_t rsp_ha_drain(int, int);
ssize_t rsp_ha_sendmsg(int, struct msghdr *, int);
ssize_t rsp_ha_recvmsg(int, struct msghdr *, int);
ssize_t rsp_ha_send(int, const void *, size_t, const struct rsp_sndrcvinfo *, int);
ssize_t rsp_ha_recv(int, void *, size_t, struct rsp_sndrcvinfo *, int);
int rsp_ha_select(int, fd_set *, fd_set *, fd_set *, struct timeval *);
int rsp_ha_poll(struct pollfd *, nfds_t, int);
int rsp_ha_dispatch(int);
struct rsp_poolinfo *rsp_ha_getpoolinfo(int, const void *, size_t, uint32_t);
void rsp_ha_freepoolinfo(struct rsp_poolinfo *);
ssize_t rsp_ha_getprimaryserver(int, const void *, size_t, struct sockaddr_pehandle *);
ssize_t rsp_ha_getnextserver(int, struct sockaddr_pehandle *);
ssize_t rsp_ha_reportfailure(int, const struct sockaddr_pehandle *);
ssize_t rsp_ha_forcefailover(int, uint32_t, int);
ssize_t rsp_ha_notify(int, uint32_t, rsp_notify_fn, void *);
ssize_t rsp_ha_ack(int, const struct rsp_sndrcvinfo *);
ssize_t rsp_ha_reply(int, const void *, size_t, const struct rsp_sndrcvinfo *, int);
int rsp_ha_outcome(int, uint32_t, int);
const char *rsp_ha_lasterror(void);
uint16_t rsp_ha_lastcause(void);
ssize_t rsp_ha_setcookie(int, uint32_t, const void *, size_t);
ssize_t rsp_ha_setbusinesscard(int, const struct sockaddr_pehandle *, size_t);
ssize_t rsp_ha_getsockname(int, struct sockaddr_pehandle *);
ssize_t rsp_ha_getpeername(int, uint32_t, struct sockaddr_pehandle *);
int rsp_ha_getsockopt(int, int, int, void *, socklen_t *);
int rsp_ha_setsockopt(int, int, int, const void *, socklen_t);

#if defined(__GNUC__)
#define RSP_INLINE_ static __inline__ __attribute__((unused))
#else
#define RSP_INLINE_ static inline
#endif

/*
 * Starts the library: registrars, profile, transport. Optional, before the first socket, which otherwise does it with what is configured.
 * Errors: EALREADY (it is started), EINVAL (rsp_lasterror names the setting).
 */
RSP_INLINE_ int rsp_initialize(const struct rsp_info *info) { return rsp_ha_initialize(info); }

/*
 * Closes all sockets, deregisters, and ends the library's thread; waits 1 s at most for what is under way. Optional: the end of the program does it.
 * The descriptors stay open until rsp_close; all other calls give EBADF for them.
 */
RSP_INLINE_ void rsp_cleanup(void) { rsp_ha_cleanup(); }

/*
 * A socket. domain: AF_INET, AF_INET6. type: SOCK_STREAM has one session; SOCK_DGRAM and SOCK_SEQPACKET have many. SOCK_NONBLOCK may be added.
 * protocol: IPPROTO_SCTP (the kernel's, else over UDP), IPPROTO_TCP, 0 = as configured.
 * Errors: EAFNOSUPPORT, EPROTOTYPE (there is no such type), EPROTONOSUPPORT, EMFILE, ENFILE; EINVAL for a bad configuration.
 */
RSP_INLINE_ ssize_t rsp_socket(int domain, int type, int protocol) { return rsp_ha_socket(domain, type, protocol); }

/*
 * Where a PE listens: one address, or several one behind the other (total bytes). Whether it can is tried now; the port is taken, and port 0 chosen,
 * at rsp_register. With RSP_NO_MAPPING: what it registers; nothing is bound.
 * Errors: EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT.
 */
RSP_INLINE_ ssize_t rsp_bind(int fd, const struct sockaddr *packed, socklen_t total) { return rsp_ha_bind(fd, packed, total); }

/* Does nothing: rsp_register listens. */
RSP_INLINE_ ssize_t rsp_listen(int fd, int backlog) { return rsp_ha_listen(fd, backlog); }

/*
 * The next session of a registered SOCK_STREAM socket, as a descriptor of its own; peer (may be NULL): the pool user's address in spe_addr.
 * Errors: EOPNOTSUPP (not SOCK_STREAM).
 */
RSP_INLINE_ ssize_t rsp_accept(int fd, struct sockaddr_pehandle *peer) { return rsp_ha_accept(fd, peer); }

/*
 * Connects to a server of the pool. Non-blocking: EINPROGRESS, then POLLOUT; call it again to see the error, or EISCONN.
 * Errors: ENOENT (no such pool), ENETUNREACH (no registrar), EHOSTUNREACH (no server answers), EPROTONOSUPPORT, EISCONN, EALREADY, ENAMETOOLONG.
 */
RSP_INLINE_ ssize_t rsp_connect(int fd, const void *handle, size_t len) { return rsp_ha_connect(fd, handle, len); }

/*
 * Ends sessions in order, deregisters, closes the descriptor. Waits for outcomes (RSP_OPT_LINGER) unless it is non-blocking: then all that goes on
 * in the background. Other threads that wait on it return with EBADF. After rsp_cleanup it only closes the descriptor.
 */
RSP_INLINE_ ssize_t rsp_close(int fd) { return rsp_ha_close(fd); }

/*
 * Joins the pool; load NULL = round robin; unbound = any port. Again: new weight, priority or load. Non-blocking: as rsp_connect.
 * Errors: EEXIST (PE identifier in use), EDOM (the pool has another policy), ENOSPC, EPROTOTYPE (the pool has another transport), EACCES,
 * ENETUNREACH, EADDRINUSE, EISCONN, EALREADY, ECANCELED (rsp_deregister came first), ENAMETOOLONG; rsp_lastcause is the registrar's cause.
 */
RSP_INLINE_ ssize_t rsp_register(int fd, const void *handle, size_t len, const struct rsp_loadinfo *load) {
    return rsp_ha_register(fd, handle, len, load);
}

/* Leaves the pool at once, or stops joining it; sessions go on. Errors: ENOTCONN. */
RSP_INLINE_ ssize_t rsp_deregister(int fd) { return rsp_ha_deregister(fd); }

/* Tells the pool users, leaves the pool, and waits until they have gone, at most ms. Errors: ENOTCONN, EINVAL (ms is negative). */
RSP_INLINE_ ssize_t rsp_drain(int fd, int ms) { return rsp_ha_drain(fd, ms); }

/* rsp_recvmsg by the name of seed 000 section 2. */
RSP_INLINE_ ssize_t rsp_rcvmsg(int fd, struct msghdr *msg, int flags) { return rsp_ha_recvmsg(fd, msg, flags); }

/* select() that runs callbacks. */
RSP_INLINE_ int rsp_select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *t) { return rsp_ha_select(n, r, w, e, t); }

/* poll() that runs callbacks. */
RSP_INLINE_ int rsp_poll(struct pollfd *fds, nfds_t n, int ms) { return rsp_ha_poll(fds, n, ms); }

/* Runs the callbacks that wait on this descriptor; returns how many. */
RSP_INLINE_ int rsp_dispatch(int fd) { return rsp_ha_dispatch(fd); }

/*
 * Who is in the pool: at most items of them, 0 = as many as the registrar thinks right, 0xffffffff = all. Free it with rsp_freepoolinfo.
 * Errors: ENOENT, ENETUNREACH, ENAMETOOLONG.
 */
RSP_INLINE_ struct rsp_poolinfo *rsp_getpoolinfo(int fd, const void *handle, size_t len, uint32_t items) {
    return rsp_ha_getpoolinfo(fd, handle, len, items);
}
RSP_INLINE_ struct rsp_poolinfo *rsp_getPoolInfo(int fd, const void *handle, size_t len, uint32_t items) {
    return rsp_ha_getpoolinfo(fd, handle, len, items);
}
RSP_INLINE_ void rsp_freepoolinfo(struct rsp_poolinfo *info) { rsp_ha_freepoolinfo(info); }

/* Basic mode: a server of the pool, by its policy; the application connects by itself. Errors: as rsp_getpoolinfo. */
RSP_INLINE_ ssize_t rsp_getprimaryserver(int fd, const void *handle, size_t len, struct sockaddr_pehandle *out) {
    return rsp_ha_getprimaryserver(fd, handle, len, out);
}
/* Basic mode: reports the server as failed and puts the next one in its place. Errors: as rsp_getpoolinfo. */
RSP_INLINE_ ssize_t rsp_getnextserver(int fd, struct sockaddr_pehandle *failed_in_next_out) {
    return rsp_ha_getnextserver(fd, failed_in_next_out);
}
/* Reports a server as unreachable; does not wait for the registrar. */
RSP_INLINE_ ssize_t rsp_reportfailure(int fd, const struct sockaddr_pehandle *pe) { return rsp_ha_reportfailure(fd, pe); }
RSP_INLINE_ ssize_t rsp_reportpefailure(int fd, const struct sockaddr_pehandle *pe) { return rsp_ha_reportfailure(fd, pe); }

/* Leaves the server of the session (0 = the connected one) and goes on with another; report: the server is reported as unreachable. */
RSP_INLINE_ ssize_t rsp_forcefailover(int fd, uint32_t session, int report) { return rsp_ha_forcefailover(fd, session, report); }

/*
 * Asks for events: fn is called, only inside your own rsp_recvmsg, rsp_sendmsg, rsp_select, rsp_poll and rsp_dispatch on this descriptor (a pending
 * one makes it readable), no lock held; fn NULL: they are received in band. events 0: no more. With a callback for RSP_N_FAILOVER resends wait until
 * it returns, and what it sends goes first and never waits. It may call anything; longjmp() or a C++ exception out of it counts as return.
 */
RSP_INLINE_ ssize_t rsp_notify(int fd, uint32_t events, rsp_notify_fn fn, void *arg) { return rsp_ha_notify(fd, events, fn, arg); }

/* Acknowledges a received message: sinfo_session and sinfo_id as received. Errors: EINVAL (it is not waited for). */
RSP_INLINE_ ssize_t rsp_ack(int fd, const struct rsp_sndrcvinfo *of) { return rsp_ha_ack(fd, of); }

/*
 * Answers and acknowledges a received message in one step, so that however many servers execute a request, one answer comes. of: as received.
 * Errors: as rsp_ack and rsp_sendmsg.
 */
RSP_INLINE_ ssize_t rsp_reply(int fd, const void *data, size_t len, const struct rsp_sndrcvinfo *of, int flags) {
    return rsp_ha_reply(fd, data, len, of, flags);
}

/*
 * What became of the send with this sinfo_context: RSP_ACKNOWLEDGED, RSP_DELIVERED, RSP_RETURNED; waits at most ms, -1 = as long as it takes.
 * This call tells each outcome once; who asked for RSP_N_OUTCOME is told by a notification besides. Of those nobody asks for the newest 65,536 are
 * kept. Errors: EAGAIN (not known in time), ENOENT (there was no such send, or it was told).
 */
RSP_INLINE_ int rsp_outcome(int fd, uint32_t context, int ms) { return rsp_ha_outcome(fd, context, ms); }

/* A sentence about the last error of this thread. The memory is the thread's own: the next one is written over it. */
RSP_INLINE_ const char *rsp_lasterror(void) { return rsp_ha_lasterror(); }
/* The registrar's cause code (RFC 5354 section 3.12) of the last error of this thread; 0 = it was not the registrar's. */
RSP_INLINE_ uint16_t rsp_lastcause(void) { return rsp_ha_lastcause(); }

/*
 * The state of a session, for whichever server comes next; at most 65,508 bytes; the newest counts. Never overtaken by a later rsp_ack or rsp_reply.
 * Errors: EMSGSIZE, ENOTCONN, EOPNOTSUPP (at a pool user).
 */
RSP_INLINE_ ssize_t rsp_setcookie(int fd, uint32_t session, const void *cookie, size_t len) {
    return rsp_ha_setcookie(fd, session, cookie, len);
}

/*
 * This application is a PE of the pool in prefer[0], and these n PEs of it go on when it dies (an entry with spe_pe_id 0 only names the pool): the peers
 * of all sessions are told, now and later. Errors: EINVAL (more than one pool, no entry, more than 10,000), EMSGSIZE.
 */
RSP_INLINE_ ssize_t rsp_setbusinesscard(int fd, const struct sockaddr_pehandle *prefer, size_t n) {
    return rsp_ha_setbusinesscard(fd, prefer, n);
}

/* The PE handle of a registered socket, before that its address. Errors: ENOTCONN. */
RSP_INLINE_ ssize_t rsp_getsockname(int fd, struct sockaddr_pehandle *own) { return rsp_ha_getsockname(fd, own); }
/* Who is at the other end of a session. Errors: ENOTCONN, also during a failover. */
RSP_INLINE_ ssize_t rsp_getpeername(int fd, uint32_t session, struct sockaddr_pehandle *peer) {
    return rsp_ha_getpeername(fd, session, peer);
}

/* Errors: ENOPROTOOPT, EOPNOTSUPP (not on this mapping), ENOTCONN. */
RSP_INLINE_ int rsp_getsockopt(int fd, int level, int option, void *value, socklen_t *len) {
    return rsp_ha_getsockopt(fd, level, option, value, len);
}
RSP_INLINE_ int rsp_setsockopt(int fd, int level, int option, const void *value, socklen_t len) {
    return rsp_ha_setsockopt(fd, level, option, value, len);
}

/*
 * ssize_t rsp_sendmsg(int fd, struct msghdr *msg, int flags);
 * ssize_t rsp_sendmsg(int fd, const void *data, size_t len, const struct rsp_sndrcvinfo *info, int flags);
 *
 * Sends a message; returns the number of its bytes. In the second form info may be the structure itself, its address or NULL. msg_name: a pool handle
 * (msg_namelen bytes, with or without NUL), a struct sockaddr_pehandle, a sockaddr_in or sockaddr_in6, or NULL: the session of RSP_CMSG_INFO, or the
 * connected one. Waits for room in the window. Errors: EINVAL (0 bytes), EMSGSIZE (too long; nothing is looked at nor sent), EDESTADDRREQ (no session
 * named), ENOTCONN (it is over, or there was none), EHOSTUNREACH, EOPNOTSUPP (not on this mapping), and for a pool those of rsp_connect.
 *
 * ssize_t rsp_recvmsg(int fd, struct msghdr *msg, int flags);
 * ssize_t rsp_recvmsg(int fd, void *data, size_t len, struct rsp_sndrcvinfo *info, int flags);
 *
 * Receives a message, or a notification that was asked for; returns its bytes, 0 = a connected socket's session ended in order. What does not fit
 * into the buffer comes with the next receive; MSG_EOR in msg_flags or sinfo_flags marks the end. msg_name becomes the sender's
 * struct sockaddr_pehandle, msg_control RSP_CMSG_INFO. flags: MSG_DONTWAIT, MSG_PEEK.
 * Errors: ENOTCONN (nothing can come), ECONNRESET or EHOSTUNREACH (given up).
 */
#ifdef __cplusplus
} /* extern "C" */

static inline ssize_t rsp_sendmsg(int fd, struct msghdr *msg, int flags) { return rsp_ha_sendmsg(fd, msg, flags); }
static inline ssize_t rsp_sendmsg(int fd, const void *data, size_t len, const rsp_sndrcvinfo *info, int flags) {
    return rsp_ha_send(fd, data, len, info, flags);
}
static inline ssize_t rsp_sendmsg(int fd, const void *data, size_t len, const rsp_sndrcvinfo &info, int flags) {
    return rsp_ha_send(fd, data, len, &info, flags);
}
static inline ssize_t rsp_recvmsg(int fd, struct msghdr *msg, int flags) { return rsp_ha_recvmsg(fd, msg, flags); }
static inline ssize_t rsp_recvmsg(int fd, void *data, size_t len, rsp_sndrcvinfo *info, int flags) {
    return rsp_ha_recv(fd, data, len, info, flags);
}

#else

/* For (rsp_sendmsg)(..) and function pointers. */
RSP_INLINE_ ssize_t rsp_sendmsg(int fd, struct msghdr *msg, int flags) { return rsp_ha_sendmsg(fd, msg, flags); }
RSP_INLINE_ ssize_t rsp_recvmsg(int fd, struct msghdr *msg, int flags) { return rsp_ha_recvmsg(fd, msg, flags); }

RSP_INLINE_ ssize_t rsp_send_by_value_(int fd, const void *data, size_t len, struct rsp_sndrcvinfo info, int flags) {
    return rsp_ha_send(fd, data, len, &info, flags);
}

#if defined(__GNUC__) && !defined(__clang__)
extern int rsp_wrong_number_of_arguments_(void) __attribute__((error("rsp_sendmsg and rsp_recvmsg have 3 or 5 arguments; parenthesise a compound literal")));
#else
extern int rsp_wrong_number_of_arguments_(void);
#endif

/* The number of arguments chooses the form, and the type of the fourth how the information comes. */
#define RSP_PICK_(a1, a2, a3, a4, a5, a6, name, ...) name
#define RSP_BAD_(...) ((ssize_t)rsp_wrong_number_of_arguments_())
#define RSP_SEND5_(fd, data, len, info, flags)                                                                         \
    __extension__ _Generic((info), struct rsp_sndrcvinfo : rsp_send_by_value_, default : rsp_ha_send)(fd, data, len, info, flags)
#define RSP_RECV5_(fd, data, len, info, flags) rsp_ha_recv(fd, data, len, info, flags)
#define rsp_sendmsg(...)                                                                                               \
    RSP_PICK_(__VA_ARGS__, RSP_BAD_, RSP_SEND5_, RSP_BAD_, rsp_ha_sendmsg, RSP_BAD_, RSP_BAD_, 0)(__VA_ARGS__)
#define rsp_recvmsg(...)                                                                                               \
    RSP_PICK_(__VA_ARGS__, RSP_BAD_, RSP_RECV5_, RSP_BAD_, rsp_ha_recvmsg, RSP_BAD_, RSP_BAD_, 0)(__VA_ARGS__)

#endif /* __cplusplus */
#endif /* RSP_H */
