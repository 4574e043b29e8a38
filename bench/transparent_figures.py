"""Transparent checkpoints against plain `criu dump` and `criu restore`, of the same program in the same run: see bench/run.

The program is bench/field.c; its own second thread measures how long it stood. Plain criu is the same program of the same bundle, run
without root in namespaces of its own, its images in a directory on the same disk. What is compared alternates, so that a slow moment
of the machine meets both. Between two figures everything is written to the disk (sync), so that none pays for another's writing.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

QUICK = os.environ.get("BENCH_QUICK")  # a sixteenth of the sizes, an interval of 5 s: to see whether it works, not what it costs
SIZES = ((1, 5), (4, 2), (16, 1)) if QUICK else ((1, 7), (64, 5), (1024, 3), (4096, 2), (8192, 1))  # MiB, rounds
LARGEST_MIB = int(os.environ.get("BENCH_LARGEST_MIB", 8192))  # of SIZES
APART_MIB = 8192       # from here on the two programs do not fit into the memory side by side
RESUMED = ((1, 3), (64, 2)) if QUICK else ((1, 7), (1024, 3))
LARGE_MIB = 64 if QUICK else 1024
GENERATIONS = 10
INTERVAL_S = 5 if QUICK else 60
LIMIT_S = 300


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def wall_us():
    return time.time_ns() // 1000


def wait_for(condition, what):
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        got = condition()
        if got:
            return got
        time.sleep(0.002)
    raise SystemExit(f"bench: gave up waiting for {what}")


def settle(base, mib):
    """Everything is on the disk, and there is free memory at hand: what a hypervisor has taken back would be paid for by whoever wants
    it first, at ten times the price."""
    mib = max(mib, min(2 * mib, 2048))
    os.sync()
    path = f"/dev/shm/{os.path.basename(base)}"
    subprocess.run(["dd", "if=/dev/zero", "of=" + path, "bs=1M", f"count={mib}", "status=none"], check=True)
    os.unlink(path)


def criu_bundle():
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.realpath(os.environ.get("STINT_CRIU") or here + "/../build/criu")
    if not os.access(path + "/criu", os.X_OK):
        raise SystemExit(f"bench: there is no criu in '{path}'; 'tools/criu build/criu' makes it, or says why not")
    return path


class Program:
    """The running program, whoever runs it: its stamps, its steps."""

    def stamps(self, what):
        try:
            with open(self.stamps_path()) as file:
                text = file.read()
        except OSError:
            return []
        return [(int(n), int(us)) for n, us in re.findall(rf"^{what} (\d+) (\d+)$", text, re.M)]

    def pid(self):
        """By its name, which is its own in every run."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm") as file:
                    if file.read().strip() == self.name:
                        return int(pid)
            except OSError:
                continue
        return 0

    def await_ready(self):
        wait_for(lambda: self.stamps("ready"), f"the memory of {self.name}")
        time.sleep(0.2)

    def step(self):
        before = len(self.stamps("step"))
        os.kill(self.pid(), signal.SIGUSR1)
        wait_for(lambda: len(self.stamps("step")) > before, f"a step of {self.name}")

    def longest_gap_us(self, since_us):
        """1 ms, the shortest that it notes, if there is none."""
        return max([length for length, end in self.stamps("gap") if end - length >= since_us - 1000] + [1000])

    def resumed_us(self, gone_us):
        """When it ran again that stood at that moment."""
        return wait_for(lambda: [end for length, end in self.stamps("gap") if end - length <= gone_us < end], f"{self.name} to run again")[-1]


class Plain(Program):
    """Under criu alone, without root: namespaces of its own for the program, and new ones for each restore."""

    def __init__(self, base, criu, mib, percent):
        self.name = f"plain-{os.getpid()}"
        self.mib = mib
        self.dir = tempfile.mkdtemp(prefix="stint-bench-plain.", dir=base)
        self.cache = tempfile.mkdtemp(prefix="stint-bench-criu.", dir="/dev/shm")  # criu keeps there what it knows of the kernel
        self.criu = f"XDG_RUNTIME_DIR={self.cache} {criu}/loader --library-path {criu}/lib {criu}/criu"
        for name in ("work", "images"):
            os.mkdir(f"{self.dir}/{name}")
        shutil.copy(f"{base}/field", f"{self.dir}/{self.name}")
        self.space = None
        self.enter(f"echo 1000 >/proc/sys/kernel/ns_last_pid; cd {self.dir}/work; setsid ../{self.name} {mib} {percent} </dev/null >/dev/null 2>&1 &")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()
        shutil.rmtree(self.dir)
        shutil.rmtree(self.cache)

    def stamps_path(self):
        return self.dir + "/work/stamps"

    def enter(self, command):
        self.space = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
             command + "\nexec sleep infinity"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def leave(self):
        if self.space:
            self.space.kill()
            self.space.wait()
            wait_for(lambda: not self.pid(), f"the end of {self.name}")
        self.space = None

    def first(self):
        with open(f"/proc/{self.space.pid}/task/{self.space.pid}/children") as file:
            return file.read().split()[0]

    def empty(self, name="images"):
        shutil.rmtree(f"{self.dir}/{name}", ignore_errors=True)
        os.mkdir(f"{self.dir}/{name}")

    def dump(self, more="--leave-running"):
        """Seconds."""
        begun = time.monotonic()
        done = subprocess.run(
            ["nsenter", "-t", self.first(), "-U", "-m", "-p", "--", "sh", "-c",
             f"{self.criu} dump --unprivileged -t 1001 -D {self.dir}/images --network-lock skip -v2 -o dump.log {more}"],
            capture_output=True, check=False)
        if done.returncode != 0:
            with open(self.dir + "/images/dump.log") as log:
                raise SystemExit(f"bench: criu dump failed:\n{log.read()}")
        return time.monotonic() - begun

    def restore(self):
        self.enter(f"{self.criu} restore --unprivileged -d -D {self.dir}/images --network-lock skip -v2 -o restore.log")

    def compress(self):
        """The images under zstd -1, in "packed"; bytes."""
        self.empty("packed")
        subprocess.run(f"cd {self.dir}/images && for i in *.img; do zstd -1 -T2 -q $i -o ../packed/$i.zst; done", shell=True, check=True)
        return sum(os.path.getsize(f"{self.dir}/packed/{name}") for name in os.listdir(self.dir + "/packed"))

    def decompress(self):
        """Seconds."""
        self.empty()
        settle(self.dir, self.mib)
        begun = time.monotonic()
        subprocess.run(f"cd {self.dir}/packed && zstd -d -q --output-dir-flat ../images *.zst", shell=True, check=True)
        return time.monotonic() - begun


class Stint(Program):
    """Under stint, with a pool of its own."""

    def __init__(self, pool_class, build, base, mib, percent, submit=""):
        self.name = f"field-{os.getpid()}"
        self.mib = mib
        self.pool = pool_class(build, base, f"keep_generations = {GENERATIONS}\n")
        shutil.copy(f"{base}/field", f"{self.pool.dir}/{self.name}")
        self.pool.write("field.sub", f"executable = {self.name}\narguments = {mib} {percent}\ncheckpoint_method = transparent\n{submit}queue\n")
        self.pool.run("submit", "field.sub")

    def __enter__(self):
        self.pool.__enter__()
        return self

    def __exit__(self, *words):
        self.pool.run("rm", "1")
        wait_for(lambda: not self.pid(), f"the end of {self.name}")
        self.pool.__exit__(*words)

    def stamps_path(self):
        jobs = self.pool.pool_dir + "/jobs/1.0"
        stints = [int(name[6:]) for name in os.listdir(jobs) if name.startswith("stint.")] if os.path.isdir(jobs) else []
        return f"{jobs}/stint.{max(stints, default=0)}/work/stamps"

    def records(self, what):
        found = [json.loads(line.split(" ", 1)[1]) for line in self.pool.read("pool/jobs/1.0/journal").splitlines()]
        return [record for record in found if record["Record"] == what]

    def checkpoint(self):
        """The record of what has been committed."""
        self.pool.run("checkpoint", "1.0")
        return self.records("commit")[-1]

    def stored_bytes(self):
        return json.loads(self.pool.run("ckpt", "df", "--json"))["Jobs"][0]["StoredBytes"]


# ---- figures ----

def plain_pause(plain, found):
    plain.empty()
    settle(plain.dir, plain.mib)
    since = wall_us()
    begun = time.monotonic()
    plain.dump()
    os.sync()
    found["plain durable"].append(time.monotonic() - begun)
    time.sleep(0.05)
    found["plain"].append(plain.longest_gap_us(since) / 1e6)


def stint_pause(stint, found):
    settle(stint.pool.dir, stint.mib)
    since = wall_us()
    record = stint.checkpoint()
    time.sleep(0.05)
    found["stint"].append(stint.longest_gap_us(since) / 1e6)
    found["reported"].append(record["PauseUs"] / 1e6)
    found["first" if record["Generation"] == 1 else "second"].append(record["LatencyUs"] / 1e6)


def pauses(context, mib, rounds):
    """A checkpoint of each in every round, with 1 % of the pages changed since the last."""
    found = {name: [] for name in ("plain", "plain durable", "stint", "reported", "first", "second")}
    if mib >= APART_MIB:
        with context.plain(mib, 1) as plain:
            plain.await_ready()
            plain_pause(plain, found)
        with context.stint(mib, 1) as stint:
            stint.await_ready()
            stint_pause(stint, found)
        return found
    with context.plain(mib, 1) as plain, context.stint(mib, 1) as stint:
        plain.await_ready()
        stint.await_ready()
        stint_pause(stint, found)  # all of it is new; the pause is as long as any other
        for number in range(rounds):
            context.say(f"transparent, {mib} MiB: {number + 1} of {rounds}")
            for program in (plain, stint):
                program.step()
            both = [lambda: plain_pause(plain, found), lambda: stint_pause(stint, found)]
            for measure_one in both if number % 2 == 0 else reversed(both):
                measure_one()
    return found


def resumes(context, mib, rounds):
    """Until the program runs again: from the command on, after decompression; and from the moment on at which the slot was given."""
    found = {"unpack": [], "restore": [], "stint": []}
    with context.plain(mib, 1) as plain, context.stint(mib, 1) as stint:
        plain.await_ready()
        stint.await_ready()
        for number in range(rounds):
            context.say(f"transparent, resume of {mib} MiB: {number + 1} of {rounds}")
            plain.empty()
            plain.dump("")
            gone = wall_us()
            plain.leave()
            plain.compress()
            found["unpack"].append(plain.decompress())
            begun = wall_us()
            plain.restore()
            found["restore"].append((plain.resumed_us(gone) - begun) / 1e6)
            settle(stint.pool.dir, mib)
            stint.pool.run("vacate", "1.0")
            wait_for(lambda: len(stint.records("run")) == number + 2, "the next stint")
            gone, granted = stint.records("exit")[-1]["WallUs"], stint.records("begin")[-1]["GrantedWallUs"]
            found["stint"].append((stint.resumed_us(gone) - granted) / 1e6)
    return found


def generations(context):
    """Bytes of so many generations, 5 % of the pages changed between two: the images of each under zstd, and all in the store."""
    with context.plain(LARGE_MIB, 5) as plain, context.stint(LARGE_MIB, 5) as stint:
        plain.await_ready()
        stint.await_ready()
        packed = 0
        for number in range(GENERATIONS):
            context.say(f"transparent, generations: {number + 1} of {GENERATIONS}")
            plain.step()
            plain.empty()
            plain.dump()
            packed += plain.compress()
            stint.step()
            stint.checkpoint()
        return packed, stint.stored_bytes()


def slowdown(context):
    """Steps in a second: until the first checkpoint, and in an interval with a checkpoint in its middle."""
    context.say(f"transparent, a checkpoint every {INTERVAL_S} s")
    with context.stint(LARGE_MIB, "1 busy", f"checkpoint_interval = {INTERVAL_S}s\n") as stint:
        stint.await_ready()
        start = stint.stamps("ready")[0][1]
        second = 1e6 * INTERVAL_S / 60
        wait_for(lambda: stint.stamps("step") and stint.stamps("step")[-1][1] - start >= 92 * second, "the steps")
        stamps = stint.stamps("step")
        pause = sum(record["PauseUs"] for record in stint.records("commit")) / 1e6 / len(stint.records("commit"))

    def rate(begin_s, end_s):
        inside = [(n, us) for n, us in stamps if begin_s * second <= us - start <= end_s * second]
        return (inside[-1][0] - inside[0][0]) / (inside[-1][1] - inside[0][1]) * 1e6

    return rate(3, 58), rate(30, 90), pause


# ---- the text ----

def verdict(value, limit, sign="≤"):
    return f"{value:.2f} (target {sign} {limit}: {'met' if value <= limit else '**missed**'})"


def ms(values):
    if not values:
        return "-"
    scaled = [value * 1000 for value in values]
    spread = f" ({min(scaled):.0f} - {max(scaled):.0f})" if len(scaled) > 1 else ""
    return f"{median(scaled):.0f}{spread}" if median(scaled) >= 100 else f"{median(scaled):.1f}{spread}"


def size_text(mib):
    return f"{mib} MiB" if mib < 1024 else f"{mib // 1024} GiB"


def pause_table(pairs):
    lines = ["| job | rounds | plain criu, ms | stint, ms | stint / criu | stint reports, ms |", "|---|---|---|---|---|---|"]
    for mib, found in pairs:
        lines.append(f"| {size_text(mib)} | {len(found['plain'])} | {ms(found['plain'])} | **{ms(found['stint'])}** "
                     f"| {median(found['stint']) / median(found['plain']):.2f} | {ms(found['reported'])} |")
    return lines + [""]


def durable_table(pairs):
    lines = ["| job | plain criu and sync, ms | stint, first, ms | stint, 1 % changed, ms |", "|---|---|---|---|"]
    for mib, found in pairs:
        lines.append(f"| {size_text(mib)} | {ms(found['plain durable'])} | {ms(found['first'])} | **{ms(found['second'])}** |")
    return lines + [""]


def resume_table(pairs):
    lines = ["| job | rounds | `zstd -d`, ms | `criu restore`, ms | stint, from the grant on, ms | ratio |", "|---|---|---|---|---|---|"]
    for mib, found in pairs:
        both = median([a + b for a, b in zip(found["unpack"], found["restore"])])
        lines.append(f"| {size_text(mib)} | {len(found['stint'])} | {ms(found['unpack'])} | {ms(found['restore'])} | **{ms(found['stint'])}** "
                     f"| {verdict(median(found['stint']) / both, 1)} |")
    return lines + [""]


class Context:
    def __init__(self, build, base, say, pool_class):
        self.say = say
        self.criu = criu_bundle()
        os.environ["STINT_CRIU"] = self.criu
        self.dir = tempfile.mkdtemp(prefix="stint-bench-transparent.", dir=base)
        here = os.path.dirname(os.path.abspath(__file__))
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", self.dir + "/field", here + "/field.c", "-lm", "-lpthread"], check=True)
        self.plain = lambda mib, percent: Plain(self.dir, self.criu, mib, percent)
        self.stint = lambda mib, percent, submit="": Stint(pool_class, build, self.dir, mib, percent, submit)

    def version(self):
        done = subprocess.run([self.criu + "/loader", "--library-path", self.criu + "/lib", self.criu + "/criu", "--version"],
                              capture_output=True, text=True, check=False)
        return done.stdout.split()[1]


def measure(build, base, say, pool_class):
    context = Context(build, base, say, pool_class)
    try:
        return report(context)
    finally:
        shutil.rmtree(context.dir, ignore_errors=True)


def report(context):
    pairs = [(mib, pauses(context, mib, rounds)) for mib, rounds in SIZES if mib <= LARGEST_MIB]
    resumed = [(mib, resumes(context, mib, rounds)) for mib, rounds in RESUMED]
    packed, stored = generations(context)
    free, taxed, pause = slowdown(context)
    small = median(pairs[0][1]["stint"]) * 1000
    large = size_text(LARGE_MIB)
    return [
        "## Transparent checkpoints", "",
        f"`bench/run BUILD_DIR transparent`: bench/field.c under stint, and under criu {context.version()} alone (`criu dump --leave-running`, without",
        "root, in namespaces of its own, images in a directory on the same disk), alternating, side by side in the memory (from",
        f"{size_text(APART_MIB)} on one after the other). Medians, with the smallest and the largest. Its memory is a field of 64-bit numbers with noise,",
        "of which 1 % of the pages have changed since the checkpoint before. When a figure begins, everything that was written before is on the disk, and",
        "as much memory is free as the images need, and not only taken back by a hypervisor.", "",
        "How long the program stood, by its own clock (a thread that looks every 200 µs):", "", *pause_table(pairs),
        f"{size_text(pairs[0][0])}: {verdict(small, 60)} ms.", "",
        "From the request until it is durable:", "", *durable_table(pairs),
        "Resume, from warm page caches: criu from a directory, into which `zstd -d` has put the images (`zstd -1`), until the program runs;",
        "stint from the moment at which the slot was given until the program runs, with all that a stint begins with:", "", *resume_table(resumed),
        "| figure | |", "|---|---|",
        f"| {GENERATIONS} generations of {large}, 5 % of the pages changed between two: stored by stint {stored / 1e6:.0f} MB, "
        f"{GENERATIONS} × criu's images under `zstd -1` {packed / 1e6:.0f} MB; ratio | **{verdict(stored / packed, 0.25)}** |",
        f"| {large}, one page after the other changed as fast as it can, a checkpoint every {INTERVAL_S} s (the whole memory is new; "
        f"it stood {pause * 1000:.0f} ms): work done in an interval against the same time without one | **{100 * taxed / free:.1f} %** |",
        "",
    ]
