"""The checkpoint store against tar and zstd, restic, borg and a plain copy, on the same data in the same run: see bench/run.

Every figure of ours is a whole process (bench/store.c calls what a runner calls), as those of the others are. What is compared
alternates, so that a slow moment of the machine meets all of them.
"""
import json
import os
import shutil
import subprocess
import time

MIB = 1 << 20
SIZE_MIB = 1024
ROUNDS = 3


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def timed(command, **options):
    begun = time.monotonic()
    subprocess.run(command, check=True, shell=isinstance(command, str), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    return time.monotonic() - begun


def tree_bytes(path):
    return int(subprocess.run(["du", "-s", "--block-size=1", path], check=True, capture_output=True, text=True).stdout.split()[0])


class Bench:
    def __init__(self, build, base, say):
        self.tool = build + "/bench/bench-store"
        self.say = say
        self.dir = subprocess.run(["mktemp", "-d", base + "/stint-bench-store.XXXXXX"], check=True, capture_output=True,
                                  text=True).stdout.strip()
        os.mkdir(self.path("data"))
        self.state = self.path("data/state")
        self.env = dict(os.environ, RESTIC_PASSWORD="x", BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes", HOME=self.dir,
                        XDG_CACHE_HOME=self.path("cache"), BORG_BASE_DIR=self.path("borg-base"))

    def path(self, name):
        return f"{self.dir}/{name}"

    def make(self, kind, seed, mib=SIZE_MIB):
        subprocess.run([self.tool, "make", self.state, str(mib), kind, str(seed)], check=True)
        os.sync()

    def touch(self, percent, seed):
        subprocess.run([self.tool, "touch", self.state, str(percent), str(seed)], check=True)
        os.sync()

    def ours(self, *words):
        done = subprocess.run([self.tool, *words], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    def commit(self, generation, *more):
        return self.ours("commit", self.path("store"), "7.0", str(generation), self.path("data"), *more)

    def clear(self, *names):
        for name in names:
            shutil.rmtree(self.path(name), ignore_errors=True)
            if os.path.isfile(self.path(name)):
                os.unlink(self.path(name))
        os.sync()


# ---- the others: name, first, second, what it takes on the disk ----

class TarZstd:
    name = "`tar \\| zstd -1 -T2`, synced"

    def __init__(self, bench):
        self.bench = bench

    def begin(self):
        self.bench.clear("one.tar.zst", "two.tar.zst")

    def save(self, name):
        path = self.bench.path(name + ".tar.zst")
        return timed(f"tar -c -C {self.bench.path('data')} . | zstd -1 -T2 -q -o {path} && sync {path}")

    def size(self):
        return sum(os.path.getsize(self.bench.path(n + ".tar.zst")) for n in ("one", "two") if os.path.exists(self.bench.path(n + ".tar.zst")))


class Restic:
    name = "restic backup (format 2)"

    def __init__(self, bench):
        self.bench = bench

    def begin(self):
        self.bench.clear("restic", "cache")
        timed(["restic", "init", "-r", self.bench.path("restic"), "--repository-version", "2"], env=self.bench.env)

    def save(self, name):
        return timed(["restic", "backup", "-q", "-r", self.bench.path("restic"), self.bench.path("data")], env=self.bench.env)

    def size(self):
        return tree_bytes(self.bench.path("restic"))


class Borg:
    name = "borg create, zstd 1"

    def __init__(self, bench):
        self.bench = bench

    def begin(self):
        self.bench.clear("borg", "borg-base")
        timed(["borg", "init", "-e", "none", self.bench.path("borg")], env=self.bench.env)

    def save(self, name):
        return timed(["borg", "create", "-C", "zstd,1", f"{self.bench.path('borg')}::{name}", self.bench.path("data")], env=self.bench.env)

    def size(self):
        return tree_bytes(self.bench.path("borg"))


class Copy:
    name = "plain copy, synced (as CRIU leaves its images)"

    def __init__(self, bench):
        self.bench = bench

    def begin(self):
        self.bench.clear("one.copy", "two.copy")

    def save(self, name):
        path = self.bench.path(name + ".copy")
        return timed(f"cp --reflink=never {self.bench.state} {path} && sync {path}")

    def size(self):
        return sum(os.path.getsize(self.bench.path(n + ".copy")) for n in ("one", "two") if os.path.exists(self.bench.path(n + ".copy")))


def pair(bench, kind):
    """First and second generation (1 % of the pages changed, scattered) of all, alternating. {name: [(s, bytes, s, bytes)]}"""
    others = [TarZstd(bench), Restic(bench), Borg(bench), Copy(bench)]
    found = {"stint": []}
    extra = {"peak_kb": [], "pause": [], "second pause": [], "zstd": [], "disk": []}
    for round_number in range(ROUNDS):
        bench.say(f"store, {kind}: {round_number + 1} of {ROUNDS}")
        bench.make(kind, round_number + 1)
        bench.clear("store", "paused")
        first = bench.commit(1)
        for other in others:
            other.begin()
            found.setdefault(other.name, []).append([other.save("one"), other.size()])
            os.sync()
        extra["zstd"].append(timed(f"zstd -1 -T2 -q -c {bench.state}"))
        extra["disk"].append(timed(["dd", "if=/dev/zero", "of=" + bench.path("disk"), "bs=4M", f"count={max(1, first['added'] >> 22)}",
                                    "oflag=direct", "conv=fdatasync"]))
        os.unlink(bench.path("disk"))
        waited = bench.ours("commit", bench.path("paused"), "7.0", "1", bench.path("data"), "pause")
        bench.touch(1, round_number + 1)
        second = bench.commit(2)
        for other in others:
            before = other.size()
            elapsed = other.save("two")
            found[other.name][-1] += [elapsed, other.size() - before]
            os.sync()
        again = bench.ours("commit", bench.path("paused"), "7.0", "2", bench.path("data"), "pause")
        found["stint"].append([first["seconds"], first["added"], second["seconds"], second["added"]])
        extra["peak_kb"].append(max(first["peak_kb"], second["peak_kb"]))
        extra["pause"].append(waited["capture"])
        extra["second pause"].append(again["capture"])
    return found, extra


def read_back(bench):
    """Of the second generation that `pair` left: (restore, verify, cat of the packs, decompression of the same, hash)."""
    figures = {name: [] for name in ("restore", "verify", "cat", "unpack", "unpack to a file", "hash")}
    for _ in range(2 * ROUNDS):
        bench.clear("back", "unpacked")
        os.mkdir(bench.path("back"))
        figures["cat"].append(timed(f"cat {bench.path('store')}/7.0/packs/*"))
        figures["unpack"].append(timed(f"zstd -d -q -c {bench.path('two.tar.zst')}"))
        figures["unpack to a file"].append(timed(f"zstd -d -q -f {bench.path('two.tar.zst')} -o {bench.path('unpacked')}"))
        bench.clear("unpacked")
        figures["restore"].append(bench.ours("restore", bench.path("store"), "7.0", "2", bench.path("back"))["seconds"])
        timed(["cmp", bench.path("back/state"), bench.state])
        figures["verify"].append(bench.ours("verify", bench.path("store"), "7.0", "2")["seconds"])
        figures["hash"].append(timed(["openssl", "dgst", "-sha256", bench.state]))
    return figures


def small(bench):
    """1 MiB, new each time; beside it four fsyncs as a commit needs them, with nothing else."""
    seconds, syncs = [], []
    bench.clear("store")
    for i in range(20):
        bench.make("random", i, 1)
        seconds.append(bench.commit(i + 1)["seconds"])
        fd = os.open(bench.path("sync"), os.O_WRONLY | os.O_CREAT, 0o600)
        begun = time.monotonic()
        for _ in range(4):
            os.write(fd, b"x" * 4096)
            os.fsync(fd)
        syncs.append(time.monotonic() - begun)
        os.close(fd)
    return seconds, syncs


def large(bench):
    bench.say("store: memory at 8 GiB")
    bench.clear("store")
    bench.make("field", 99, 8 * 1024)
    return bench.commit(1)["peak_kb"]


def ratio(value, at_least):
    return f"**{value:.2f}** (target ≥ {at_least}: {'met' if value >= at_least else '**missed**'})"


def table(kind, found):
    base = [median([r[i] for r in found["stint"]]) for i in range(4)]
    lines = [f"{SIZE_MIB} MiB, {kind}:", "", "| | first, s | MB | second, s | MB | time of the second, stint's = 1 |", "|---|---|---|---|---|---|"]
    for name, rounds in found.items():
        m = [median([r[i] for r in rounds]) for i in range(4)]
        spread = f"{min(r[0] for r in rounds):.2f} - {max(r[0] for r in rounds):.2f}"
        lines.append(f"| {name} | {m[0]:.2f} ({spread}) | {m[1] / 1e6:.0f} | {m[2]:.2f} | {m[3] / 1e6:.1f} | {m[2] / base[2]:.1f} |")
    return lines + [""]


def measure(build, base, say):
    bench = Bench(build, base, say)
    try:
        return report(bench)
    finally:
        shutil.rmtree(bench.dir, ignore_errors=True)


def report(bench):
    lines = ["## The checkpoint store", "",
             "`bench/run BUILD_DIR store`. The first generation is new; for the second 1 % of the pages have changed, scattered at random. Times",
             f"are until everything is durable (restic and borg sync what they think right); medians of {ROUNDS} rounds, in each of which all take",
             "their turn on the same data. MB is what the generation added to the disk.", ""]
    noise, noise_extra = pair(bench, "random")
    field, extra = pair(bench, "field")
    lines += table("a smooth field with noise, 64-bit numbers", field) + table("noise that nothing can compress", noise)
    back = {name: median(values) for name, values in read_back(bench).items()}
    seconds, syncs = small(bench)
    peak_large = large(bench)
    lines += ["| figure | |", "|---|---|"]
    for name, found, more in (("field", field, extra), ("noise", noise, noise_extra)):
        m = [median([r[i] for r in found["stint"]]) for i in range(4)]
        zstd, disk = median(more["zstd"]), median(more["disk"])
        lines += [
            f"| {name}: first generation against the slower of `zstd -1 -T2` alone ({zstd:.2f} s) and the disk with as many bytes ({disk:.2f} s) "
            f"| {ratio(max(zstd, disk) / m[0], 1)} |",
            f"| {name}: bytes of the first generation / of the second | {ratio(m[1] / m[3], 20)} |",
            f"| {name}: time of the first generation / of the second | {ratio(m[0] / m[2], 5)} |",
            f"| {name}: pause of a program that waits, first and second generation | {median(more['pause']) * 1000:.0f} ms, "
            f"{median(more['second pause']) * 1000:.0f} ms |",
        ]
    lines += [
        f"| restore ({back['restore']:.2f} s, verified on the way) against `cat` of the packs ({back['cat']:.2f} s) and `zstd -d` of the same data "
        f"({back['unpack']:.2f} s) | {ratio((back['cat'] + back['unpack']) / back['restore'], 0.8)} |",
        f"| the same against `cat` and `zstd -d` into a file ({back['unpack to a file']:.2f} s), which restore has to write as well "
        f"| {(back['cat'] + back['unpack to a file']) / back['restore']:.2f} |",
        f"| verify ({back['verify']:.2f} s) against `openssl dgst -sha256` of the data ({back['hash']:.2f} s) "
        f"| {ratio(back['hash'] / back['verify'], 1)} |",
        f"| 1 MiB durable: {median(seconds) * 1000:.1f} ms ({min(seconds) * 1000:.1f} - {max(seconds) * 1000:.1f}, 20 times); four fsyncs alone take "
        f"{median(syncs) * 1000:.1f} ms; without them | **{(median(seconds) - median(syncs)) * 1000:.1f} ms** (target < 10 ms: "
        f"{'met' if median(seconds) - median(syncs) < 0.01 else '**missed**'}) |",
        f"| memory at its peak, whole process: 1 GiB, 8 GiB | {max(extra['peak_kb']) / 1024:.1f} MiB, {peak_large / 1024:.1f} MiB (target < 64 MiB: "
        f"{'met' if peak_large < 64 * 1024 else '**missed**'}) |",
        "",
    ]
    return lines
