/* An open-loop HTTP client as a yardstick: Poisson arrivals, each sent at its moment on a connection of its own
 * choosing, latency from the intended start. One thread, epoll, one timerfd. Prints one latency in seconds a line.
 * Usage: reference PORT RATE COUNT SEED */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 65536, ANSWER = 4096 };
static const char BODY[] = "{\"inputs\":[]}";
static int idle[MOST], idle_count, request_of[MOST], have[MOST];
static char answers[MOST][ANSWER];
static double *intended, *latency;
static char request[512];
static int request_size;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void die(const char *what) {
    perror(what);
    exit(4);
}

static int connection(int port, int poll) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, file = socket(AF_INET, SOCK_STREAM, 0);
    if (file < 0 || file >= MOST || connect(file, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(file, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = file};
    epoll_ctl(poll, EPOLL_CTL_ADD, file, &event);
    return file;
}

static int whole(int file) {
    answers[file][have[file]] = 0;
    char *end = strstr(answers[file], "\r\n\r\n"), *length = strcasestr(answers[file], "content-length:");
    return end && length && have[file] >= end + 4 - answers[file] + atoi(length + 15);
}

static int receive(int file) {
    ssize_t got = recv(file, answers[file] + have[file], ANSWER - 1 - have[file], 0);
    if (got < 0 && errno == EAGAIN) return 0;
    if (got <= 0) die("recv");
    have[file] += got;
    if (!whole(file)) return 0;
    latency[request_of[file]] = now() - intended[request_of[file]];
    have[file] = 0;
    idle[idle_count++] = file;
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    int port = atoi(argv[1]), count = atoi(argv[3]), sent = 0, done = 0;
    double rate = atof(argv[2]);
    srand48(atol(argv[4]));
    intended = calloc(count, sizeof *intended);
    latency = calloc(count, sizeof *latency);
    request_size = snprintf(request, sizeof request,
        "POST /v2/models/m/infer HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n%s", port, sizeof BODY - 1, BODY);
    double at = now() + 0.05;
    for (int n = 0; n < count; n++) intended[n] = at += -log(1 - drand48()) / rate;
    int poll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = timer}, events[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);
    while (done < count) {
        while (sent < count && intended[sent] <= now()) {
            int file = idle_count ? idle[--idle_count] : connection(port, poll);
            request_of[file] = sent++;
            if (send(file, request, request_size, 0) != request_size) die("send");
        }
        if (sent < count) {
            struct itimerspec next = {.it_value = {(time_t)intended[sent], (long)(fmod(intended[sent], 1) * 1e9)}};
            timerfd_settime(timer, TFD_TIMER_ABSTIME, &next, NULL);
        }
        int ready = epoll_wait(poll, events, 256, -1);
        for (int n = 0; n < ready; n++) {
            uint64_t rings;
            if (events[n].data.fd != timer) done += receive(events[n].data.fd);
            else if (read(timer, &rings, sizeof rings) < 0 && errno != EAGAIN) die("timer");
        }
    }
    for (int n = 0; n < count; n++) printf("%.9f\n", latency[n]);
    return 0;
}
