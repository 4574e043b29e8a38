/* Sockets of every kind. */
#include "odd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int bound(int type, int protocol, struct sockaddr_in *address)
{
    socklen_t len = sizeof *address;
    int fd = socket(AF_INET, type, protocol);
    need(fd, "socket");
    *address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    need(bind(fd, (struct sockaddr *)address, len), "bind");
    getsockname(fd, (struct sockaddr *)address, &len);
    return fd;
}

void tcp_listen(void)
{
    struct sockaddr_in address;
    need(listen(bound(SOCK_STREAM, 0, &address), 5), "listen");
}

/* Returns the listener. */
static int tcp_with(int protocol, int reuse)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, protocol), fd = socket(AF_INET, SOCK_STREAM, protocol);
    need(listener, "socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
    need(bind(listener, (struct sockaddr *)&address, len), "bind");
    need(listen(listener, 5), "listen");
    getsockname(listener, (struct sockaddr *)&address, &len);
    need(connect(fd, (struct sockaddr *)&address, sizeof address), "connect");
    need(accept(listener, NULL, NULL), "accept");
    return listener;
}

void tcp(void) { tcp_with(0, 0); }
void tcp_reuse(void) { tcp_with(0, 1); }
void tcp_no_listener(void) { close(tcp_with(0, 0)); }
void tcp_no_listener_reuse(void) { close(tcp_with(0, 1)); }
void mptcp(void) { tcp_with(262, 0); }
void tcp_in_backlog(void)
{
    struct sockaddr_in address;
    int listener = bound(SOCK_STREAM, 0, &address), fd = socket(AF_INET, SOCK_STREAM, 0);
    need(listen(listener, 5), "listen");
    need(connect(fd, (struct sockaddr *)&address, sizeof address), "connect");
}
void tcp_unconnected(void) { need(socket(AF_INET, SOCK_STREAM, 0), "socket"); }
void tcp6_listen(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    need(fd, "socket6");
    need(listen(fd, 5), "listen");
}

void udp(void)
{
    struct sockaddr_in address;
    int fd = bound(SOCK_DGRAM, 0, &address);
    need(connect(fd, (struct sockaddr *)&address, sizeof address), "connect");
}
void udp_unbound(void) { need(socket(AF_INET, SOCK_DGRAM, 0), "socket"); }
void udp_pending(void)
{
    struct sockaddr_in address;
    int fd = bound(SOCK_DGRAM, 0, &address);
    need(connect(fd, (struct sockaddr *)&address, sizeof address), "connect");
    need(write(fd, "x", 1), "write");
}

void ping(void) { need(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), "ping socket"); }
void raw(void) { need(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), "raw socket"); }
void packet(void) { need(socket(AF_PACKET, SOCK_RAW, htons(3)), "packet socket"); }
void sctp(void) { need(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), "sctp socket"); }
void udplite(void) { need(socket(AF_INET, SOCK_DGRAM, 136), "udplite socket"); }
void vsock(void) { need(socket(40, SOCK_STREAM, 0), "vsock"); }

void alg(void)
{
    struct sockaddr_alg address = { .salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256" };
    int fd = socket(AF_ALG, SOCK_SEQPACKET, 0);
    need(fd, "AF_ALG");
    need(bind(fd, (struct sockaddr *)&address, sizeof address), "bind AF_ALG");
}

void netlink(void)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK };
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    need(fd, "netlink");
    need(bind(fd, (struct sockaddr *)&address, sizeof address), "bind netlink");
}
void netlink_unbound(void) { need(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), "netlink"); }

void unix_pair(void)
{
    int pair[2];
    need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
    need(write(pair[0], "x", 1), "write");
}

void unix_half(void)
{
    int pair[2];
    need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
    close(pair[0]);
}

static int unix_to(const char *path, int type)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    need(connect(fd, (struct sockaddr *)&address, sizeof address), path);
    return fd;
}

void unix_outside(void) { unix_to(odd_argument, SOCK_STREAM); }
void unix_outside_dgram(void) { unix_to(odd_argument, SOCK_DGRAM); }

static int unix_bound(const char *path, int type)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    need(bind(fd, (struct sockaddr *)&address, sizeof address), path);
    return fd;
}

void unix_listen(void) { need(listen(unix_bound("odd.sock", SOCK_STREAM), 5), "listen"); }
void unix_backlog(void)
{
    need(listen(unix_bound("odd.sock", SOCK_STREAM), 5), "listen");
    unix_to("odd.sock", SOCK_STREAM);
}
void unix_dgram(void)
{
    unix_bound("odd.sock", SOCK_DGRAM);
    unix_to("odd.sock", SOCK_DGRAM);
}
void unix_unlinked(void)
{
    need(listen(unix_bound("odd.sock", SOCK_STREAM), 5), "listen");
    unlink("odd.sock");
}
void unix_moved(void)
{
    need(listen(unix_bound("odd.sock", SOCK_STREAM), 5), "listen");
    need(chdir("/"), "chdir");
}
void unix_abstract(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0odd-abstract" };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    need(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
    need(listen(fd, 5), "listen");
}
void unix_in_flight(void)
{
    int pair[2], fd = open("/dev/null", O_RDONLY);
    char room[CMSG_SPACE(sizeof fd)] = { 0 }, byte = 'x';
    struct iovec iov = { &byte, 1 };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    need(sendmsg(pair[0], &m, 0), "sendmsg");
}
