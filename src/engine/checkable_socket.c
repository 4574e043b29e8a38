/*
 * Sockets. What one is, is asked of the socket itself, through a copy of the descriptor (pidfd_getfd): that works whatever
 * network namespace it belongs to. Who is at the other end of a Unix socket only the kernel's socket diagnostics tell, of all sockets
 * of a namespace at once; an end that no process of the tree has open is outside.
 */
#include "engine/checkable_parts.h"

#include "base/file.h"
#include "base/mem.h"
#include "context/inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

enum { UNIX_MAX = 1 << 20, PORTS_MAX = 1024 };

/* A Unix socket as the kernel describes it. */
struct unix_end {
    uint64_t inode, peer;
    bool waits; /* is connected, and waits in its listener's queue to be accepted */
    uint32_t vfs_inode, vfs_device;
    char name[sizeof ((struct sockaddr_un *)0)->sun_path + 1]; /* "" = unnamed; of an abstract one the first byte is '@' */
};

/* Who waits in whose queue. */
struct unix_queued {
    uint64_t client, listener;
};

struct unix_table {
    struct unix_end *ends;
    size_t count, capacity;
    struct unix_queued *queued;
    size_t queued_count, queued_capacity;
};

/* ---- socket diagnostics ---- */

static void read_queue(struct unix_table *t, uint64_t listener, const uint32_t *clients, size_t count)
{
    for (size_t i = 0; i < count && t->queued_count < UNIX_MAX; i++) {
        t->queued = mem_grow(t->queued, &t->queued_capacity, t->queued_count + 1, sizeof *t->queued);
        t->queued[t->queued_count++] = (struct unix_queued){ .client = clients[i], .listener = listener };
    }
}

/* An end without a peer whose other side has gone is shut down in both directions; one that waits is not. */
static void read_end(struct unix_table *t, const struct unix_diag_msg *m, int len)
{
    if (t->count == UNIX_MAX)
        return;
    struct unix_end end = { .inode = m->udiag_ino };
    bool connected = false, shut = false;
    const struct rtattr *a = (const struct rtattr *)(m + 1);
    for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        const void *data = RTA_DATA(a);
        size_t size = RTA_PAYLOAD(a);
        uint32_t peer;
        struct unix_diag_vfs vfs;
        if (a->rta_type == UNIX_DIAG_PEER && size >= sizeof peer) {
            memcpy(&peer, data, sizeof peer);
            end.peer = peer;
            connected = true;
        } else if (a->rta_type == UNIX_DIAG_SHUTDOWN && size >= 1) {
            shut = *(const uint8_t *)data == 3; /* receiving and sending */
        } else if (a->rta_type == UNIX_DIAG_ICONS) {
            read_queue(t, end.inode, data, size / sizeof peer);
        } else if (a->rta_type == UNIX_DIAG_VFS && size >= sizeof vfs) {
            memcpy(&vfs, data, sizeof vfs);
            end.vfs_inode = vfs.udiag_vfs_ino;
            end.vfs_device = vfs.udiag_vfs_dev;
        } else if (a->rta_type == UNIX_DIAG_NAME && size > 0 && size < sizeof end.name) {
            memcpy(end.name, data, size);
            if (!end.name[0])
                end.name[0] = '@';
        }
    }
    end.waits = connected && end.peer == 0 && !shut;
    t->ends = mem_grow(t->ends, &t->capacity, t->count + 1, sizeof *t->ends);
    t->ends[t->count++] = end;
}

/* One datagram of the answer; false when it was the last. */
static bool read_answer(struct unix_table *t, const char *data, ssize_t len)
{
    unsigned left = (unsigned)len;
    for (const struct nlmsghdr *h = (const struct nlmsghdr *)data; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
        if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
            return false;
        if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY && h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
            read_end(t, NLMSG_DATA(h), (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(struct unix_diag_msg))));
    }
    return true;
}

static int read_unix_table(int fd, struct unix_table *t)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } ask = {
        .header = { .nlmsg_len = sizeof ask, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
        .request = { .sdiag_family = AF_UNIX, .udiag_states = ~0U, .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS },
    };
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    char answer[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
    ssize_t n;
    if (fd < 0 || sendto(fd, &ask, sizeof ask, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
        return -1;
    while ((n = recv(fd, answer, sizeof answer, 0)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && !read_answer(t, answer, n))
            return 0;
    return -1;
}

/* ---- Unix sockets ---- */

static int by_inode(const void *a, const void *b)
{
    const struct checkable_socket *x = a, *y = b;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

static int by_end(const void *a, const void *b)
{
    const struct unix_end *x = a, *y = b;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

static const struct unix_end *find_end(const struct unix_table *t, uint64_t inode)
{
    struct unix_end key = { .inode = inode };
    return t->count ? bsearch(&key, t->ends, t->count, sizeof key, by_end) : NULL;
}

static uint64_t listener_of(const struct unix_table *t, uint64_t client)
{
    for (size_t i = 0; i < t->queued_count; i++)
        if (t->queued[i].client == client)
            return t->queued[i].listener;
    return 0;
}

static bool is_in_tree(const struct checkable *c, uint64_t inode)
{
    struct checkable_socket key = { .inode = inode };
    return bsearch(&key, c->sockets, c->socket_count, sizeof key, by_inode) != NULL;
}

/* CRIU finds a bound socket's file by its name, relative to the directory in which its process is now. */
static bool is_where_it_says(const struct checkable_process *p, const struct unix_end *end)
{
    struct stat st;
    auto_close int from = openat(p->dir, end->name[0] == '/' ? "root" : "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *name = end->name[0] == '/' ? end->name + 1 : end->name;
    return from >= 0 && fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (uint32_t)st.st_ino == end->vfs_inode &&
           st.st_dev == makedev(end->vfs_device >> 20, end->vfs_device & 0xfffff);
}

static void look_at_unix(struct checkable *c, const struct checkable_socket *s, const struct unix_table *t, int type)
{
    const struct checkable_process *p = &c->processes[s->process];
    const struct unix_end *end = find_end(t, s->inode), *peer;
    if (!end)
        return;
    if (end->name[0] && end->name[0] != '@' && end->vfs_inode && !is_where_it_says(p, end))
        checkable_add(c, p, CHECKABLE_UNIX_NAME, "%s", end->name);
    uint64_t other = end->waits ? listener_of(t, end->inode) : end->peer;
    if (!other || is_in_tree(c, other))
        return;
    peer = find_end(t, other);
    if (type == SOCK_DGRAM && c->world->reconnects && peer && peer->name[0] == '/')
        return;
    checkable_add(c, p, CHECKABLE_UNIX_OUTSIDE, "%s", peer && peer->name[0] ? peer->name : "without a name");
}

/* ---- the others ---- */

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, level, name, &value, &len) == 0 ? value : -1;
}

struct address {
    char text[INET6_ADDRSTRLEN + 16];
    int port;
};

static void print_address(const struct sockaddr_storage *from, struct address *out)
{
    const struct sockaddr_in *v4 = (const void *)from;
    const struct sockaddr_in6 *v6 = (const void *)from;
    char host[INET6_ADDRSTRLEN] = "?";
    bool six = from->ss_family == AF_INET6;
    inet_ntop(from->ss_family, six ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr, host, sizeof host);
    out->port = ntohs(six ? v6->sin6_port : v4->sin_port);
    snprintf(out->text, sizeof out->text, six ? "[%s]:%d" : "%s:%d", host, out->port);
}

static bool address_of(int fd, bool peer, struct address *out)
{
    struct sockaddr_storage from = { 0 };
    socklen_t len = sizeof from;
    int r = peer ? getpeername(fd, (struct sockaddr *)&from, &len) : getsockname(fd, (struct sockaddr *)&from, &len);
    if (r < 0)
        return false;
    print_address(&from, out);
    return true;
}

struct listener {
    int port;
    size_t process;
};

struct ports {
    struct listener listeners[PORTS_MAX]; /* those without SO_REUSEADDR */
    size_t count;
    int busy[PORTS_MAX]; /* local ports of connections without it */
    size_t busy_count;
};

/* With a network namespace of its own all of it is captured. */
static void look_at_tcp(struct checkable *c, const struct checkable_socket *s, int fd, struct ports *ports)
{
    struct tcp_info info = { 0 };
    socklen_t len = sizeof info;
    struct address here, there;
    if (c->world->own_network || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || info.tcpi_state == TCP_CLOSE ||
        !address_of(fd, false, &here))
        return;
    bool reuse = option_of(fd, SOL_SOCKET, SO_REUSEADDR) > 0;
    if (info.tcpi_state == TCP_LISTEN) {
        if (!reuse && ports->count < PORTS_MAX)
            ports->listeners[ports->count++] = (struct listener){ here.port, s->process };
        return;
    }
    if (!reuse && ports->busy_count < PORTS_MAX)
        ports->busy[ports->busy_count++] = here.port;
    checkable_add(c, &c->processes[s->process], CHECKABLE_TCP, "%s", address_of(fd, true, &there) ? there.text : "without an address");
}

static void look_at_inet(struct checkable *c, const struct checkable_socket *s, int fd, struct ports *ports)
{
    static const struct { int protocol; const char *name; } others[] = {
        { 262, "Multipath TCP; Go programs: GODEBUG=multipathtcp=0" }, { IPPROTO_SCTP, "SCTP" }, { IPPROTO_ICMP, "ICMP" }, { IPPROTO_ICMPV6, "ICMPv6" },
    };
    int protocol = option_of(fd, SOL_SOCKET, SO_PROTOCOL);
    if (protocol == IPPROTO_TCP) {
        look_at_tcp(c, s, fd, ports);
        return;
    }
    if (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE || option_of(fd, SOL_SOCKET, SO_TYPE) == SOCK_RAW)
        return;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (others[i].protocol == protocol) {
            checkable_add(c, &c->processes[s->process], CHECKABLE_SOCKET, "%s", others[i].name);
            return;
        }
    checkable_add(c, &c->processes[s->process], CHECKABLE_SOCKET, "IP protocol %d", protocol);
}

static void look_at_other(struct checkable *c, const struct checkable_socket *s, int family)
{
    static const struct { int family; const char *name; } names[] = {
        { AF_VSOCK, "vsock" }, { AF_ALG, "kernel cryptography, AF_ALG" }, { AF_BLUETOOTH, "Bluetooth" }, { AF_CAN, "CAN bus" },
        { AF_TIPC, "TIPC" }, { AF_XDP, "XDP" }, { AF_RDS, "RDS" }, { AF_KEY, "AF_KEY" },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].family == family) {
            checkable_add(c, &c->processes[s->process], CHECKABLE_SOCKET, "%s", names[i].name);
            return;
        }
    checkable_add(c, &c->processes[s->process], CHECKABLE_SOCKET, "address family %d", family);
}

static void look_at_socket(struct checkable *c, const struct checkable_socket *s, int process, const struct unix_table *t,
                           struct ports *ports)
{
    auto_close int fd = (int)syscall(SYS_pidfd_getfd, process, s->fd, 0);
    int family = fd < 0 ? AF_UNSPEC : option_of(fd, SOL_SOCKET, SO_DOMAIN);
    if (fd < 0 || family < 0)
        return;
    if (family == AF_UNIX)
        look_at_unix(c, s, t, option_of(fd, SOL_SOCKET, SO_TYPE));
    else if (family == AF_INET || family == AF_INET6)
        look_at_inet(c, s, fd, ports);
    else if (family != AF_NETLINK && family != AF_PACKET)
        look_at_other(c, s, family);
}

static void report_ports(struct checkable *c, const struct ports *ports)
{
    for (size_t i = 0; i < ports->count; i++)
        for (size_t k = 0; k < ports->busy_count; k++)
            if (ports->busy[k] == ports->listeners[i].port) {
                checkable_add(c, &c->processes[ports->listeners[i].process], CHECKABLE_TCP_PORT, "%d", ports->busy[k]);
                break;
            }
}

/* Sockets that several processes share are looked at once. */
void checkable_sockets(struct checkable *c)
{
    struct unix_table table = { 0 };
    auto_free struct ports *ports = mem_new(struct ports);
    auto_close int process = -1;
    size_t of = SIZE_MAX;
    if (c->socket_count == 0)
        return;
    auto_close int diag = inside_diag(c->root, NULL);
    read_unix_table(diag, &table);
    qsort(c->sockets, c->socket_count, sizeof *c->sockets, by_inode);
    if (table.count)
        qsort(table.ends, table.count, sizeof *table.ends, by_end);
    for (size_t i = 0; i < c->socket_count; i++) {
        const struct checkable_socket *s = &c->sockets[i];
        if (i > 0 && c->sockets[i - 1].inode == s->inode)
            continue;
        if (s->process != of) {
            file_close(&process);
            process = (int)syscall(SYS_pidfd_open, c->processes[s->process].host, 0);
            of = s->process;
        }
        look_at_socket(c, s, process, &table, ports);
    }
    report_ports(c, ports);
    free(table.ends);
    free(table.queued);
}
