/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * <rserpool.h>: Reliable Server Pooling for C programs, source compatible with the public interface of RSPLIB. Every call has a manual page in
 * section 3. <rsp.h> is the other door into the same library: a source file includes one of them.
 *
 * Lengths are in bytes, times in milliseconds, addresses in network byte order. "Packed" addresses stand one after the other, each with the
 * length of its family. A descriptor of rsp_socket() is a real one: poll(), select() and epoll take it.
 */
#ifndef RSERPOOL_H
#define RSERPOOL_H

#ifdef RSP_H
#error "include <rsp.h> or <rserpool.h>, not both: they give the same names different parameters"
#endif

#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ports and groups. The registrars of this library use those of IANA; RSPLIB announces itself in the two groups below. */
#define ASAP_PORT 3863
#define ENRP_PORT 9901
#define ASAP_ANNOUNCE_MULTICAST_ADDRESS "239.0.0.50:3863"
#define ENRP_ANNOUNCE_MULTICAST_ADDRESS "239.0.0.51:9901"

/* Flags of rsp_register() and rsp_pe_registration(), rsp_deregister() and rsp_pe_deregistration(). */
#define REGF_DONTWAIT 1       /* do not wait for the registrar's answer */
#define REGF_CONTROLCHANNEL 2 /* the user transport carries ASAP, too */
#define REGF_DAEMONMODE 4     /* without a registrar: keep looking for one, and say success */
#define DEREGF_DONTWAIT 1

/* How many pool elements rsp_getaddrinfo() asks for. */
#define RSPGETADDRS_MIN 1
#define RSPGETADDRS_DEFAULT 0
#define RSPGETADDRS_MAX 0xffffffff

/* What rsp_getaddrinfo() answers besides a number of pool elements. */
#define REAI_NONAME (-1) /* there is no such pool, or nobody in it */
#define REAI_MEMORY (-2)
#define REAI_SYSTEM (-3) /* errno says what */
#define REAI_FAMILY (-4) /* an address family that is not known here */

/* What the basic mode answers: 0, a cause of RFC 5354 section 3.12, or one from 0x1000 up that no registrar sent. */
#define RSPERR_OKAY 0x0000
#define RSPERR_UNRECOGNIZED_PARAMETER 0x0001
#define RSPERR_UNRECOGNIZED_MESSAGE 0x0002
#define RSPERR_INVALID_VALUES 0x0003
#define RSPERR_NONUNIQUE_PE_ID 0x0004
#define RSPERR_INCONSISTENT_POOL_POLICY 0x0005
#define RSPERR_LACK_OF_RESOURCES 0x0006
#define RSPERR_INCONSISTENT_TRANSPORT_TYPE 0x0007
#define RSPERR_INCONSISTENT_DATA_CONTROL 0x0008
#define RSPERR_UNKNOWN_POOL_HANDLE 0x0009
#define RSPERR_REJECTED_FOR_SECURITY 0x000a
#define RSPERR_NOT_INITIALIZED 0x1000
#define RSPERR_NO_REGISTRAR 0x1001
#define RSPERR_TIMEOUT 0x1002
#define RSPERR_NOT_FOUND 0x1003 /* rsp_pe_deregistration(): this process registered no such pool element */
#define RSPERR_INVALID_ARGUMENT 0x1004
#define RSPERR_OUT_OF_MEMORY 0x1005
#define RSPERR_INTERNAL 0x1006

/* Sessions of one socket are numbered from 1 to SESSION_SETSIZE - 1. */
#define SESSION_SETSIZE 16384

/* Flags that rsp_recvmsg() gives back, besides MSG_EOR. */
#define MSG_RSERPOOL_NOTIFICATION 1 /* the buffer holds a union rserpool_notification */
#define MSG_RSERPOOL_COOKIE_ECHO 2  /* the buffer holds the cookie another pool element of the pool had set */

/* Flags of rsp_forcefailover(). */
#define FFF_NONE 0
#define FFF_UNREACHABLE 1 /* report the pool element that is left as unreachable */

/* Notifications: rn_type, and states of rserpool_session_change and rserpool_failover. */
#define RSERPOOL_SESSION_CHANGE 1
#define RSERPOOL_FAILOVER 2
#define RSERPOOL_SHUTDOWN_EVENT 3
#define RSERPOOL_SESSION_ADD 1
#define RSERPOOL_SESSION_REMOVE 2
#define RSERPOOL_FAILOVER_NECESSARY 1
#define RSERPOOL_FAILOVER_COMPLETE 2

/* Pool policies (RFC 5356 section 3; those from 0xb0000000 up are RSPLIB's own). */
#define PPT_UNDEFINED 0x00000000u
#define PPT_ROUNDROBIN 0x00000001u
#define PPT_WEIGHTED_ROUNDROBIN 0x00000002u
#define PPT_RANDOM 0x00000003u
#define PPT_WEIGHTED_RANDOM 0x00000004u
#define PPT_PRIORITY 0x00000005u
#define PPT_LEASTUSED 0x40000001u
#define PPT_LEASTUSED_DEGRADATION 0x40000002u
#define PPT_PRIORITY_LEASTUSED 0x40000003u
#define PPT_RANDOMIZED_LEASTUSED 0x40000004u
#define PPT_RANDOMIZED_PRIORITY_LEASTUSED 0xb0001001u
#define PPT_RANDOMIZED_LEASTUSED_DEGRADATION 0xb0001002u
#define PPT_PRIORITY_LEASTUSED_DEGRADATION 0xb0001003u
#define PPT_RANDOMIZED_PRIORITY_LEASTUSED_DEGRADATION 0xb0001004u
#define PPT_WEIGHTED_RANDOM_DPF 0xb0002001u
#define PPT_LEASTUSED_DPF 0xb0002002u
#define PPT_LEASTUSED_DEGRADATION_DPF 0xb0002003u
#define PPT_PRIORITY_LEASTUSED_DPF 0xb0002004u
#define PPT_PRIORITY_LEASTUSED_DEGRADATION_DPF 0xb0002005u

/* Whether the pool elements tell the registrar their load while they work. */
#define PPT_IS_ADAPTIVE(policy)                                                                                                                      \
    (((policy) & 0xc0000000u) == 0x40000000u || ((policy) & 0xfffff000u) == 0xb0001000u ||                                                           \
     (((policy) & 0xfffff000u) == 0xb0002000u && (policy) != PPT_WEIGHTED_RANDOM_DPF))

/* Smallest and largest values of what a policy is told; loads are fractions of 0xffffffff. */
#define PPV_MIN_WEIGHT 0u
#define PPV_MAX_WEIGHT 0xffffffffu
#define PPV_MIN_WEIGHT_DPF 0u
#define PPV_MAX_WEIGHT_DPF 0xffffffffu
#define PPV_MIN_PRIORITY 0u
#define PPV_MAX_PRIORITY 0xffffffffu
#define PPV_MIN_LOAD 0u
#define PPV_MAX_LOAD 0xffffffffu
#define PPV_MIN_LOAD_DEGRADATION 0u
#define PPV_MAX_LOAD_DEGRADATION 0xffffffffu
#define PPV_MIN_LOAD_DPF 0u
#define PPV_MAX_LOAD_DPF 0xffffffffu

/* Component status protocol: an identifier is a group and 56 bits for the component. */
#define CID_GROUP_REGISTRAR 0x0001
#define CID_GROUP_POOLELEMENT 0x0002
#define CID_GROUP_POOLUSER 0x0003
#define CID_COMPOUND(group, object) (((uint64_t)(group) << 56) | ((uint64_t)(object) & UINT64_C(0x00ffffffffffffff)))
#define CID_GROUP(id) ((uint16_t)(((uint64_t)(id) >> 56) & 0xff))
#define CID_OBJECT(id) ((uint64_t)(id) & UINT64_C(0x00ffffffffffffff))

/* Socket options, as in <rsp.h>, 4 bytes each: see rsp_getsockopt(3). */
#define SOL_RSP 245
#define RSP_OPT_FAILOVER 1 /* 0, a failed session waits for rsp_forcefailover(); 1, it moves by itself and sends again */
#define RSP_OPT_WINDOW 3
#define RSP_OPT_HEARTBEAT 4
#define RSP_OPT_LINGER 6
#define RSP_OPT_LIFE 7
#define RSP_OPT_PE_ID 8
#define RSP_OPT_RTT 12
#define RSP_OPT_RTO 13
#define RSP_OPT_PMTU 14
#define RSP_OPT_MAPPING 15

typedef int rserpool_session_t;

/* A registrar to ask, and the next one in the list. */
struct rsp_registrar_info {
    struct rsp_registrar_info *rri_next;
    struct sockaddr *rri_addr; /* packed */
    size_t rri_addrs;
};

/* What rsp_initialize() is told; fill it with rsp_initinfo(). 0 = the default, which is that of the configuration (RSERPOOL_*, client.toml). */
struct rsp_info {
    unsigned int ri_version;
    unsigned int ri_revision;
    const char *ri_build_date; /* NULL */
    const char *ri_build_time; /* NULL */

    struct rsp_registrar_info *ri_registrars;
    int ri_disable_autoconfig; /* 1: registrars are not looked for by multicast */
    struct sockaddr *ri_registrar_announce;
    unsigned int ri_registrar_announce_timeout;
    unsigned int ri_registrar_connect_timeout;
    unsigned int ri_registrar_connect_max_trials;
    unsigned int ri_registrar_request_timeout;
    unsigned int ri_registrar_response_timeout;
    unsigned int ri_registrar_request_max_trials;

    uint64_t ri_csp_identifier;
    struct sockaddr *ri_csp_server; /* NULL: no status is reported */
    unsigned int ri_csp_interval;
};

/* A pool policy, and what the pool element tells it. */
struct rsp_loadinfo {
    uint32_t rli_policy;
    uint32_t rli_weight; /* or the priority */
    uint32_t rli_weight_dpf;
    uint32_t rli_load;
    uint32_t rli_load_degradation;
    uint32_t rli_load_dpf;
};

/* A pool element in basic mode. */
struct rsp_addrinfo {
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen; /* of the first address */
    size_t ai_addrs;
    struct sockaddr *ai_addr; /* packed */
    struct rsp_addrinfo *ai_next;
    uint32_t ai_pe_id;
};

/* Where a received message comes from. */
struct rsp_sndrcvinfo {
    rserpool_session_t rinfo_session;
    uint32_t rinfo_ppid; /* network byte order */
    uint32_t rinfo_pe_id;
    uint32_t rinfo_timetolive;
    uint16_t rinfo_stream;
};

struct rserpool_failover {
    uint16_t rf_type;
    uint16_t rf_flags;
    uint32_t rf_length;
    unsigned int rf_state;
    rserpool_session_t rf_session;
    unsigned char rf_has_cookie;
};

struct rserpool_session_change {
    uint16_t rsc_type;
    uint16_t rsc_flags;
    uint32_t rsc_length;
    unsigned int rsc_state;
    rserpool_session_t rsc_session;
};

struct rserpool_shutdown_event {
    uint16_t rse_type;
    uint16_t rse_flags;
    uint32_t rse_length;
    rserpool_session_t rse_session;
};

union rserpool_notification {
    struct {
        uint16_t rn_type;
        uint16_t rn_flags;
        uint32_t rn_length;
    } rn_header;
    struct rserpool_failover rn_failover;
    struct rserpool_session_change rn_session_change;
    struct rserpool_shutdown_event rn_shutdown_event;
};

/* The timers of a session's associations; 0 = as it is. */
struct rserpool_session_parameters {
    unsigned int sp_rto_initial;
    unsigned int sp_rto_min;
    unsigned int sp_rto_max;
    unsigned int sp_assoc_max_rxt;
    unsigned int sp_path_max_rxt;
    unsigned int sp_hbinterval;
};

/* Setup */
void rsp_initinfo(struct rsp_info *info);
void rsp_freeinfo(struct rsp_info *info);
int rsp_initarg(struct rsp_info *info, const char *arg);
int rsp_initialize(struct rsp_info *info);
void rsp_cleanup(void);

/* Basic mode: the application connects by itself */
unsigned int rsp_pe_registration(const unsigned char *poolHandle, size_t poolHandleSize, struct rsp_addrinfo *addrinfo,
                                 const struct rsp_loadinfo *loadinfo, unsigned int registrationLife, int flags);
unsigned int rsp_pe_deregistration(const unsigned char *poolHandle, size_t poolHandleSize, uint32_t identifier, int flags);
unsigned int rsp_pe_failure(const unsigned char *poolHandle, size_t poolHandleSize, uint32_t identifier);
int rsp_getaddrinfo(const unsigned char *poolHandle, size_t poolHandleSize, struct rsp_addrinfo **addrinfo, size_t items,
                    unsigned int staleCacheValue);
void rsp_freeaddrinfo(struct rsp_addrinfo *addrinfo);

/* Sockets */
int rsp_socket(int domain, int type, int protocol);
int rsp_update_session_parameters(int sd, struct rserpool_session_parameters *params);
int rsp_bind(int sd, const struct sockaddr *packedAddrs, int addrs);
int rsp_listen(int sd, int backlog);
int rsp_getsockname(int sd, unsigned char *poolHandle, size_t *poolHandleSize, uint32_t *identifier);
int rsp_getpeername(int sd, unsigned char *poolHandle, size_t *poolHandleSize, uint32_t *identifier);
int rsp_close(int sd);
int rsp_poll(struct pollfd *ufds, unsigned int nfds, int timeout);
int rsp_select(int n, fd_set *readfds, fd_set *writefds, fd_set *exceptfds, struct timeval *timeout);
int rsp_getsockopt(int sd, int level, int optname, void *optval, socklen_t *optlen);
int rsp_setsockopt(int sd, int level, int optname, const void *optval, socklen_t optlen);

/* Pool element */
int rsp_register(int sd, const unsigned char *poolHandle, size_t poolHandleSize, const struct rsp_loadinfo *loadinfo,
                 unsigned int reregistrationInterval, int flags);
int rsp_deregister(int sd, int flags);
int rsp_accept(int sd, int timeout);

/* Pool user */
int rsp_connect(int sd, const unsigned char *poolHandle, size_t poolHandleSize, unsigned int staleCacheValue);
int rsp_has_cookie(int sd);
int rsp_forcefailover(int sd, unsigned int flags, unsigned int staleCacheValue);

/* Messages; a timeout of -1 waits, one of 0 does not */
ssize_t rsp_sendmsg(int sd, const void *data, size_t dataLength, unsigned int msgFlags, rserpool_session_t sessionID, uint32_t sctpPPID,
                    uint16_t sctpStreamID, uint32_t sctpTimeToLive, uint16_t sctpFlags, int timeout);
ssize_t rsp_send_cookie(int sd, const unsigned char *cookie, size_t cookieSize, rserpool_session_t sessionID, int timeout);
ssize_t rsp_recvmsg(int sd, void *buffer, size_t bufferLength, struct rsp_sndrcvinfo *rinfo, int *msgFlags, int timeout);
ssize_t rsp_recvfullmsg(int sd, void *buffer, size_t bufferLength, struct rsp_sndrcvinfo *rinfo, int *msgFlags, int timeout);
ssize_t rsp_read(int fd, void *buffer, size_t bufferLength);
ssize_t rsp_recv(int sd, void *buffer, size_t bufferLength, int flags);
ssize_t rsp_write(int fd, const char *buffer, size_t bufferLength);
ssize_t rsp_send(int sd, const void *buffer, size_t bufferLength, int flags);

/* Miscellaneous */
int rsp_mapsocket(int sd, int toSD);
int rsp_unmapsocket(int sd);
void rsp_print_notification(const union rserpool_notification *notification, FILE *fd);
const char *rsp_getpolicybytype(unsigned int policyType);
unsigned int rsp_getpolicybyname(const char *policyName);
int rsp_csp_setstatus(int sd, rserpool_session_t sessionID, const char *statusText);

#ifdef __cplusplus
}
#endif

#endif
