#!/usr/bin/env python3
"""Two threads fill an account book and a third one reads it aloud. Nothing in here knows of checkpoints.

Its state is what a checkpoint must not tear: threads, a lock, a queue between them, a file that is open all the time, and output
that has been printed. At its end it says whether all of it is right.
"""
import os
import queue
import sys
import threading
import time

LINES = int(os.environ.get("LINES_TO_WRITE", "30"))
PAUSE = float(os.environ.get("PAUSE", "0.3"))

book = open("ledger.txt", "w", buffering=1)  # stays open to the end
lock = threading.Lock()
written = queue.Queue()
number = 0
total = 0


def fill(name):
    global number, total
    while True:
        with lock:
            if number == LINES:
                break
            number += 1
            total += number * number
            book.write(f"{number} {name} {total}\n")
            written.put((number, total))
        time.sleep(2 * PAUSE)
    written.put(None)


def read_aloud():
    done = 0
    while done < 2:
        entry = written.get()
        if entry is None:
            done += 1
        else:
            print(f"line {entry[0]}: {entry[1]}", flush=True)


threads = [threading.Thread(target=fill, args=(name,)) for name in ("anna", "bert")]
threads.append(threading.Thread(target=read_aloud))
for n, thread in enumerate(threads):
    thread.start()
    time.sleep(PAUSE if n == 0 else 0)
for thread in threads:
    thread.join()
book.close()
with open("ledger.txt") as file:
    numbers = [int(line.split()[0]) for line in file]
right = numbers == list(range(1, LINES + 1)) and total == sum(n * n for n in numbers)
print("the book is right" if right else f"the book is WRONG: {numbers}", flush=True)
sys.exit(0 if right else 1)
