"""A pool of its own in a directory of its own, and what a test does to it. The tests of faults share it."""
import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("STINT_BUILD") or os.path.join(HERE, "..", "..", "build", "check")
DEADLINE_S = int(os.environ.get("DEADLINE", "60"))
JOB = """executable = {build}/tests/programs/tally
arguments = {count} {step_ms} {work}/trace {work}/gate
output = $(ClusterId).$(ProcId).out
error = $(ClusterId).$(ProcId).err
log = job.log
transfer_checkpoint_files = state
transfer_output_files = ""
checkpoint_exit_code = 17
+WantCheckpointSignal = true
+CheckpointSig = "SIGUSR2"
{more}
queue {jobs}
"""


class Failure(Exception):
    pass


class Scenario:
    def __init__(self, conf=("cpus = 4",), env=None, count=20):
        self.dir = tempfile.mkdtemp(prefix="fault.", dir=os.environ.get("BATS_TEST_TMPDIR", "/tmp"))
        self.pool, self.work, self.trace = (os.path.join(self.dir, d) for d in ("pool", "work", "work/trace"))
        for path in (self.pool, self.work, self.trace):
            os.makedirs(path)
        self.prefix, self.mounts, self.jumps = [], [], False
        self.conf(*conf)
        self.count, self.submitted, self.released = count, 0, 0
        self.env = dict(os.environ, STINT_DIR=self.pool, STINT_PRIVATE="1", TZ="UTC", LC_ALL="C.UTF-8")
        # A kill that strikes the leak checker's own helper leaves the process that it examines waiting for ever.
        self.env["ASAN_OPTIONS"] = self.env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        self.env.update(env or {})

    def conf(self, *lines):
        with open(os.path.join(self.pool, "stint.conf"), "w") as file:
            file.write("\n".join((*lines, "checkpoint_method = none")) + "\n")

    # ---- asking the pool ----

    def stint(self, *args, timeout=30):
        try:
            return subprocess.run([*self.prefix, f"{BUILD}/src/cli/stint", *args], env=self.env, cwd=self.work, text=True, timeout=timeout,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired as e:
            return subprocess.CompletedProcess(e.cmd, 124, str(e.stdout))

    def answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(os.path.join(self.pool, "pool.sock"))
                return True
            except OSError:
                return False

    def ensure_pool(self):
        if not self.answers():
            self.stint("pool", "start")

    def listed(self, command):
        """The jobs that a command lists; None when there is no answer."""
        done = self.stint(command, "--all", "--af", "ClusterId,ProcId,JobState")
        return [line.split() for line in done.stdout.splitlines()] if done.returncode == 0 else None

    def known(self):
        present, past = self.listed("q"), self.listed("history")
        return None if present is None or past is None else len(present) + len(past)

    def submit(self, jobs=1, step_ms=20, more=""):
        """Submits until it is certain that the jobs are in the queue."""
        text = JOB.format(build=BUILD, count=self.count, step_ms=step_ms, work=self.work, more=more, jobs=jobs)
        with open(os.path.join(self.work, "job.sub"), "w") as file:
            file.write(text)
        self.submitted += jobs

        def there():
            if self.stint("submit", "-q", "job.sub").returncode == 0:
                return True
            self.ensure_pool()
            return self.known() == self.submitted
        self.wait(there, "the jobs are submitted", drive=False)

    # ---- waiting ----

    def wait(self, condition, what, drive=True, pause=0.01):
        end = time.monotonic() + DEADLINE_S
        next_look = time.monotonic() + 0.5
        while not condition():
            if time.monotonic() > end:
                raise Failure(f"in vain: {what}")
            time.sleep(pause)
            if drive and time.monotonic() > next_look:
                self.ensure_pool()
                next_look = time.monotonic() + 0.5

    def lines(self, job="1.0"):
        try:
            with open(os.path.join(self.trace, f"{job}.trace")) as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def ticks(self, job="1.0"):
        return sum(line.startswith("tick") for line in self.lines(job))

    def log(self):
        try:
            with open(os.path.join(self.work, "job.log")) as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def logged(self, event):
        return sum(line.startswith(f"{event} (") for line in self.log().splitlines())

    # ---- the steps of a scenario ----

    def checkpoint(self, job="1.0"):
        """Asks for a checkpoint. What the answer promises is written into the trace as a floor."""
        before = len(self.lines(job))
        done = self.stint("checkpoint", job, "--timeout", "5s", timeout=10)
        saved = [line.split()[1] for line in self.lines(job)[before:] if line.startswith("saved")]
        if done.returncode == 0 and " taken" in done.stdout and saved:
            with open(os.path.join(self.trace, f"{job}.trace"), "a") as file:
                file.write(f"floor {saved[0]}\n")
        return done

    def over(self):
        """Every job has ended. Releases whatever is held for its output, as a person would."""
        if self.logged("012") > self.logged("013"):
            self.released += self.stint("release", "--all").returncode == 0
        if self.logged("005") + self.logged("009") >= self.submitted:
            return True
        return False

    def open_gate(self):
        open(os.path.join(self.work, "gate"), "w").close()

    def finish(self, done=True, jumps=False):
        """Lets the jobs end, stops the pool and judges. Returns the breaches as text."""
        if done:
            self.open_gate()
            self.wait(self.over, "the jobs end")
            self.ensure_pool()
            self.began = time.monotonic()
            self.wait(self.clean_or_restarted, "what jobs left is removed", pause=0.1)
        for _ in range(5):
            self.wait(self.stopped, "the pool stops", drive=False)
            text = self.judge(done, jumps)
            late = [line for line in text.splitlines() if "did not reach its log" in line]
            if not text or len(late) < len(text.splitlines()):
                break
            self.ensure_pool()  # the retry that was under way when the pool was stopped
            time.sleep(1.1)
        return text + self.left_over()

    def stopped(self):
        self.stint("pool", "stop")
        return not any(words.startswith(("stint-keeper", "stint-pool")) for words in self.processes().values())

    def clean(self):
        return not any(name[0].isdigit() for d in ("jobs", "store") for name in os.listdir(os.path.join(self.pool, d)))

    def clean_or_restarted(self):
        """What could not be removed is removed by the next pool."""
        if self.clean():
            return True
        if time.monotonic() - self.began > 3:
            self.wait(self.stopped, "the pool stops", drive=False)
            self.began = time.monotonic()
        return False

    def judge(self, done, jumps):
        args = [f"{HERE}/invariants", "--pool", self.pool, "--work", self.work, "--submitted", str(self.submitted),
                "--newest", f"{BUILD}/tests/programs/newest"]
        args += [] if self.count is None else ["--count", str(self.count)]
        args += ["--done"] * done + ["--jumps"] * jumps
        return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    # ---- processes ----

    def processes(self):
        """Every process that has to do with this pool: pid → command line."""
        mark = self.dir.encode()
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as environ, open(f"/proc/{pid}/cmdline", "rb") as cmdline:
                    words = cmdline.read()
                    if int(pid) != os.getpid() and (mark in words or mark in environ.read()):
                        with open(f"/proc/{pid}/comm") as comm:
                            found[int(pid)] = f"{comm.read().strip()}: {words.decode(errors='replace')}"
            except OSError:
                pass
        return found

    def left_over(self):
        end = time.monotonic() + 5
        while (found := self.processes()) and time.monotonic() < end:
            time.sleep(0.02)
        self.kill_all()
        return "".join(f"process: {pid} {words!r} is left over\n" for pid, words in found.items())

    def kill_all(self):
        """All at once, as when the power fails: nobody sees another one die."""
        while found := self.processes():
            for kill in (signal.SIGSTOP, signal.SIGKILL):
                for pid in found:
                    try:
                        os.kill(pid, kill)
                    except ProcessLookupError:
                        pass
            time.sleep(0.01)

    def story(self):
        """What there is to see after a failure."""
        parts = [f"---- {self.dir}"]
        for path in ("pool/pool.log", "work/job.log", "work/trace/*.trace", "pool/jobs/*/journal"):
            for found in sorted(glob.glob(os.path.join(self.dir, path))):
                with open(found, errors="replace") as file:
                    text = file.read()
                if "double" in text or not found.endswith(".trace") or found.endswith("/1.0.trace"):
                    parts.append(f"---- {found}\n{text[-8000:]}")
        return "\n".join(parts)

    def remove(self):
        self.kill_all()
        for place in self.mounts:
            subprocess.run(["umount", place])
        shutil.rmtree(self.dir, ignore_errors=True)
