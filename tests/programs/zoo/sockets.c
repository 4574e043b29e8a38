/* Sockets: of this machine only, and over the loopback. */
#include "zoo.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* A pair with records on their way, both ends here and one end with a child. */
static void pair(int type)
{
    int ends[2], far[2];
    struct flight f = {.bytes = 200}, echo = {.bytes = 300};
    MUST(socketpair(AF_UNIX, type, 0, ends));
    MUST(socketpair(AF_UNIX, type, 0, far));
    int size = 100000, is = 0;
    MUST(setsockopt(ends[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
    MUST(getsockopt(ends[0], SOL_SOCKET, SO_RCVBUF, &size, &(socklen_t){sizeof size}));
    f.in = ends[0], f.out = ends[1];
    flight_send(&f, 8);
    pid_t child = zoo_fork();
    if (child == 0) {
        MUST(close(far[0]));
        char text[300];
        for (ssize_t n; (n = MUST(read(far[1], text, sizeof text))) > 1;)
            CHECK(write(far[1], text, (size_t)n) == n, "the child cannot write");
        _exit(0);
    }
    MUST(close(far[1]));
    echo.in = echo.out = far[0];
    flight_send(&echo, 3);
    while (zoo_step()) {
        flight_step(&f);
        flight_step(&echo);
        MUST(getsockopt(ends[0], SOL_SOCKET, SO_RCVBUF, &is, &(socklen_t){sizeof is}));
        CHECK(is == size, "the buffer was %d bytes and is %d", size, is);
        if (zoo_damaged())
            flight_lose(&f);
    }
    flight_land(&f);
    flight_receive(&echo, 3);
    zoo_put(echo.in, 'q');
    zoo_expect_exit(child, 0);
}

void zoo_unix_stream(void) { pair(SOCK_STREAM); }
void zoo_unix_dgram(void) { pair(SOCK_DGRAM); }
void zoo_unix_seqpacket(void) { pair(SOCK_SEQPACKET); }

static int unix_socket(const char *name, int type, int (*use)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path + (*name == '@'), name + (*name == '@'), strlen(name));
    int fd = (int)MUST(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    MUST(use(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))));
    return fd;
}

static int bind_to(int fd, const struct sockaddr *at, socklen_t n) { return bind(fd, at, n); }
static int connect_to(int fd, const struct sockaddr *at, socklen_t n) { return connect(fd, at, n); }

/* A listening socket with a path in the sandbox, which can be connected to at every step, and an abstract one. */
void zoo_unix_listen(void)
{
    const char *names[] = {"listen.sock", "@zoo-abstract"};
    int listening[2];
    for (int k = 0; k < 2; k++) {
        listening[k] = unix_socket(names[k], SOCK_STREAM, bind_to);
        MUST(listen(listening[k], 5));
    }
    while (zoo_step()) {
        for (int k = 0; k < 2; k++) {
            int client = unix_socket(names[k], SOCK_STREAM, connect_to), server = (int)MUST(accept(listening[k], NULL, NULL));
            zoo_put(client, 'a');
            CHECK(zoo_get(server) == 'a', "another byte");
            MUST(close(client));
            MUST(close(server));
        }
        struct stat st;
        MUST(stat("listen.sock", &st));
        CHECK(S_ISSOCK(st.st_mode), "the name means no socket");
        if (zoo_damaged())
            MUST(unlink("listen.sock"));
    }
}

/* A connection by a path, and datagrams to a name. */
void zoo_unix_named(void)
{
    int listening = unix_socket("stream.sock", SOCK_STREAM, bind_to);
    MUST(listen(listening, 5));
    struct flight stream = {.bytes = 100}, datagrams = {.bytes = 50};
    stream.in = unix_socket("stream.sock", SOCK_STREAM, connect_to);
    stream.out = (int)MUST(accept(listening, NULL, NULL));
    flight_send(&stream, 10);
    datagrams.out = unix_socket("dgram.sock", SOCK_DGRAM, bind_to);
    datagrams.in = unix_socket("dgram.sock", SOCK_DGRAM, connect_to);
    flight_send(&datagrams, 4);
    while (zoo_step()) {
        flight_step(&stream);
        flight_step(&datagrams);
        if (zoo_damaged())
            flight_lose(&datagrams);
    }
    flight_land(&stream);
    flight_land(&datagrams);
}

/* A connection that nobody has accepted yet, with data on its way. */
void zoo_unix_backlog(void)
{
    int listening = unix_socket("stream.sock", SOCK_STREAM, bind_to);
    MUST(listen(listening, 5));
    struct flight waiting = {.bytes = 20};
    waiting.in = unix_socket("stream.sock", SOCK_STREAM, connect_to);
    flight_send(&waiting, 3);
    while (zoo_step()) {
        if (waiting.sent < 50)
            flight_send(&waiting, 1);
        if (zoo_damaged())
            waiting.sent++;
    }
    waiting.out = (int)MUST(accept(listening, NULL, NULL));
    MUST(fcntl(waiting.out, F_SETFL, O_NONBLOCK));
    flight_land(&waiting);
}

/* A descriptor on its way in a message. */
static void pass(int through, int fd)
{
    char byte = 'f';
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof fd)];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    CHECK(sendmsg(through, &message, 0) == 1, "cannot pass a descriptor");
}

static int obtain(int from)
{
    char byte;
    int fd;
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof fd)];
    } control;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    CHECK(recvmsg(from, &message, 0) == 1, "no message");
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    CHECK(head && head->cmsg_type == SCM_RIGHTS, "the message has no descriptor");
    memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

void zoo_unix_rights(void)
{
    int ends[2], number = 0;
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
    int fd = (int)MUST(open("passed", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600));
    pass(ends[0], fd);
    MUST(close(fd));
    for (; zoo_step(); number++) {
        fd = obtain(ends[1]);
        off_t end = lseek(fd, 0, SEEK_END);
        CHECK(end == number * 4, "the file that was passed has %ld bytes at step %d", (long)end, number);
        CHECK(write(fd, &number, 4) == 4, "cannot write");
        if (zoo_damaged())
            MUST(ftruncate(fd, 0));
        pass(ends[0], fd);
        MUST(close(fd));
    }
}

static int inet_socket(int type, uint16_t port, int (*use)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = port, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = (int)MUST(socket(AF_INET, type | SOCK_CLOEXEC, 0));
    int one = 1;
    MUST(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
    if (use(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    int sys = errno;
    close(fd);
    errno = sys;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in at;
    MUST(getsockname(fd, (struct sockaddr *)&at, &(socklen_t){sizeof at}));
    return at.sin_port;
}

/* A listening TCP socket goes on to listen at its port. */
void zoo_tcp_listen(void)
{
    int listening = (int)MUST(inet_socket(SOCK_STREAM, 0, bind_to));
    MUST(listen(listening, 5));
    uint16_t port = port_of(listening);
    while (zoo_step()) {
        CHECK(port_of(listening) == port, "the port has changed");
        int client = inet_socket(SOCK_STREAM, port, connect_to), server;
        CHECK(client >= 0, "nobody listens: %s", strerror(errno));
        MUST(server = accept(listening, NULL, NULL));
        /* A checkpoint may fall between these, and close the connection. */
        char byte = 'a';
        if (send(client, &byte, 1, MSG_NOSIGNAL) == 1 && recv(server, &byte, 1, 0) == 1)
            CHECK(byte == 'a', "another byte");
        MUST(close(client));
        MUST(close(server));
        if (zoo_damaged())
            MUST(shutdown(listening, SHUT_RDWR));
    }
}

enum { NUMBER = 4 };

/* Answers each number with the next one, over a connection that may break and be made again. */
static void tcp_server(int listening)
{
    for (;;) {
        int fd = accept(listening, NULL, NULL);
        uint32_t number;
        while (fd >= 0 && recv(fd, &number, NUMBER, MSG_WAITALL) == NUMBER) {
            if (number == UINT32_MAX)
                _exit(0);
            number++;
            if (send(fd, &number, NUMBER, MSG_NOSIGNAL) != NUMBER)
                break;
        }
        if (fd >= 0)
            close(fd);
    }
}

/* A connection either goes on or ends with an error; then a new one can be made. It never hangs and never lies. */
void zoo_tcp_stream(void)
{
    int listening = (int)MUST(inet_socket(SOCK_STREAM, 0, bind_to)), fd = -1, made = 0;
    MUST(listen(listening, 5));
    uint16_t port = port_of(listening);
    pid_t child = zoo_fork();
    if (child == 0)
        tcp_server(listening);
    MUST(close(listening));
    for (uint32_t i = 0; zoo_step(); i++) {
        for (int tries = 0;; tries++) {
            CHECK(tries < 10, "no connection works");
            uint32_t answer;
            if (fd < 0 && (fd = inet_socket(SOCK_STREAM, port, connect_to)) >= 0)
                made++;
            if (fd >= 0 && send(fd, &i, NUMBER, MSG_NOSIGNAL) == NUMBER) {
                struct pollfd ready = {fd, POLLIN, 0};
                while (poll(&ready, 1, 20000) < 0 && errno == EINTR)
                    ;
                CHECK(ready.revents, "the connection hangs");
                if (recv(fd, &answer, NUMBER, MSG_WAITALL) == NUMBER) {
                    CHECK(answer == i + 1, "the answer to %u is %u", i, answer);
                    break;
                }
            }
            if (fd >= 0)
                close(fd);
            fd = -1;
            zoo_rest_ms(10);
        }
        if (zoo_damaged())
            MUST(dup2((int)MUST(open("/dev/null", O_RDWR)), fd)), port = 1;
    }
    uint32_t end = UINT32_MAX;
    if (send(fd, &end, NUMBER, MSG_NOSIGNAL) != NUMBER)
        send(fd = inet_socket(SOCK_STREAM, port, connect_to), &end, NUMBER, MSG_NOSIGNAL);
    zoo_expect_exit(child, 0);
    fprintf(stderr, "%d connections\n", made);
}

/* Datagrams may get lost, but their sockets keep their ports and their partners. */
void zoo_udp(void)
{
    int server = (int)MUST(inet_socket(SOCK_DGRAM, 0, bind_to)), client = (int)MUST(inet_socket(SOCK_DGRAM, port_of(server), connect_to));
    uint16_t server_port = port_of(server), client_port = port_of(client);
    for (uint32_t i = 0; zoo_step(); i++) {
        CHECK(port_of(server) == server_port && port_of(client) == client_port, "a port has changed");
        uint32_t got = 0, tries = 0;
        do {
            CHECK(tries++ < 10, "no datagram arrives");
            CHECK(send(client, &i, NUMBER, 0) == NUMBER, "cannot send");
            struct pollfd ready = {server, POLLIN, 0};
            while (poll(&ready, 1, 1000) < 0 && errno == EINTR)
                ;
        } while (recv(server, &got, NUMBER, MSG_DONTWAIT) != NUMBER);
        CHECK(got <= i, "datagram %u has arrived before it was sent", got);
        while (recv(server, &got, NUMBER, MSG_DONTWAIT) == NUMBER)
            ;
        if (zoo_damaged())
            MUST(connect(client, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
    }
}
