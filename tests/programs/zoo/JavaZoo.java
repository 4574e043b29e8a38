// Java: threads, a monitor, a garbage collector at work, a child, a mapped file. Usage: java JavaZoo.java SECONDS
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

public class JavaZoo {
    private static void check(boolean condition, String what) {
        if (!condition) {
            System.err.println(what);
            System.exit(1);
        }
    }

    public static void main(String[] args) throws Exception {
        int steps = Integer.parseInt(args[0]) * 20;
        ExecutorService pool = Executors.newFixedThreadPool(4);
        Process cat = new ProcessBuilder("cat").start();
        PrintStream toCat = new PrintStream(cat.getOutputStream(), true);
        BufferedReader fromCat = new BufferedReader(new InputStreamReader(cat.getInputStream()));
        Map<Integer, byte[]> heap = new HashMap<>();
        Random random = new Random(4), again = new Random(4);
        long drawn = 0, redrawn = 0, began = System.nanoTime();
        try (RandomAccessFile file = new RandomAccessFile("mapped.dat", "rw")) {
            MappedByteBuffer mapped = file.getChannel().map(FileChannel.MapMode.READ_WRITE, 0, steps * 4L);
            for (int i = 0; i < steps; i++) {
                System.out.println(i);
                System.out.flush();
                final int n = i;
                Future<Integer>[] answers = new Future[4];
                for (int k = 0; k < 4; k++) {
                    final int which = k;
                    answers[k] = pool.submit(() -> n * which);
                }
                for (int k = 0; k < 4; k++)
                    check(answers[k].get(60, TimeUnit.SECONDS) == n * k, "a thread answers something else at " + i);
                toCat.println("line " + i);
                check(fromCat.readLine().equals("line " + i), "cat gives something else back at " + i);
                byte[] block = new byte[100000];
                block[99999] = (byte) i;
                heap.put(i % 50, block);
                for (Map.Entry<Integer, byte[]> entry : heap.entrySet())
                    check((entry.getValue()[99999] & 255) % 50 == entry.getKey() % 50 || i >= 250, "the heap has changed at " + i);
                drawn = drawn * 31 + random.nextLong();
                mapped.putInt(i);
                check(mapped.getInt((i / 2) * 4) == i / 2, "the mapped file has changed at " + i);
                Thread.sleep(50);
            }
        }
        for (int i = 0; i < steps; i++)
            redrawn = redrawn * 31 + again.nextLong();
        check(drawn == redrawn, "other random numbers");
        check(System.nanoTime() - began < steps * 50_000_000L + 60_000_000_000L, "the clock has jumped");
        pool.shutdown();
        toCat.close();
        check(cat.waitFor() == 0, "cat failed");
        System.out.println("ok JavaZoo");
        System.out.flush();
    }
}
