/* What the parts of odd share. */
#pragma once

extern const char *odd_argument;
void need(long result, const char *what);

void tcp_listen(void), tcp(void), tcp_reuse(void), tcp_no_listener(void), tcp_no_listener_reuse(void), mptcp(void),
    tcp_in_backlog(void), tcp_unconnected(void), tcp6_listen(void), udp(void), udp_unbound(void), udp_pending(void), ping(void),
    raw(void), packet(void), sctp(void), udplite(void), vsock(void), alg(void), netlink(void), netlink_unbound(void),
    unix_pair(void), unix_half(void), unix_outside(void), unix_outside_dgram(void), unix_listen(void), unix_backlog(void),
    unix_dgram(void), unix_unlinked(void), unix_moved(void), unix_abstract(void), unix_in_flight(void);
