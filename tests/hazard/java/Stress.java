import java.io.File;
import java.io.FileWriter;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.zip.Deflater;

/** Allocates natively from every thread while the collector, the compilers, class unloading,
 *  deoptimization, exceptions and the end of threads go on. */
public class Stress {
  static volatile Object keep;
  static volatile boolean stop;
  static volatile long sink;

  static void garbage() {
    List<byte[]> list = new ArrayList<>();
    while (!stop) {
      list.add(new byte[ThreadLocalRandom.current().nextInt(2000)]);
      if (list.size() > 20000) list.subList(0, 15000).clear();
      keep = list;
    }
  }

  static class Loader extends ClassLoader {
    Class<?> define(byte[] bytes) { return defineClass(null, bytes, 0, bytes.length); }
  }

  static byte[] bytesOf(Class<?> c) throws IOException {
    try (InputStream in = c.getResourceAsStream("/" + c.getName().replace('.', '/') + ".class")) {
      return in.readAllBytes();
    }
  }

  public static class Unloaded implements Runnable {
    public void run() {
      zip(5000);
      for (int i = 0; i < 20; i++) sink += recursive(i);
    }

    int recursive(int n) { return n == 0 ? (int) (System.nanoTime() & 3) : recursive(n - 1) + 1; }
  }

  static void unloads() {
    try {
      byte[] bytes = bytesOf(Unloaded.class);
      for (int n = 1; !stop; n++) {
        Class<?> c = new Loader().define(bytes);
        ((Runnable) c.getDeclaredConstructor().newInstance()).run();
        if (n % 300 == 0) System.gc();
      }
    } catch (IOException | ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }

  interface Operation { int apply(int x); }

  static class Plus implements Operation {
    public int apply(int x) { return x + 1; }
  }

  static class Zip implements Operation {
    public int apply(int x) { return zip(100) + x; }
  }

  static int zip(int size) {
    Deflater deflater = new Deflater();
    deflater.setInput(new byte[size]);
    deflater.finish();
    int n = deflater.deflate(new byte[size * 2]);
    deflater.end();
    return n;
  }

  static int applyAll(Operation operation, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += operation.apply(i);
    return sum;
  }

  static void deoptimizes() {
    Operation[] operations = {new Plus(), new Zip()};
    while (!stop) {
      sink += applyAll(operations[0], 20000);
      sink += applyAll(operations[ThreadLocalRandom.current().nextInt(2)], 30);
    }
  }

  static void files() {
    while (!stop) {
      try {
        File file = File.createTempFile("stress", ".txt");
        try (FileWriter writer = new FileWriter(file)) {
          for (int i = 0; i < 50; i++) writer.write("hello " + i);
        }
        file.delete();
        ByteBuffer.allocateDirect(4000);
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    }
  }

  static void exceptions() {
    while (!stop) {
      try {
        Object nothing = null;
        if (ThreadLocalRandom.current().nextInt(10) > 2) nothing.hashCode();
        else zip(100);
      } catch (NullPointerException e) {
        sink += e.getStackTrace().length;
      }
    }
  }

  public static void main(String[] arguments) throws InterruptedException {
    List<Thread> threads = new ArrayList<>();
    Runnable[] works = {Stress::garbage, Stress::unloads, Stress::deoptimizes, Stress::files,
        Stress::exceptions};
    for (Runnable work : works) {
      Thread thread = new Thread(work);
      thread.start();
      threads.add(thread);
    }
    long end = System.currentTimeMillis() + Long.parseLong(arguments[0]);
    while (System.currentTimeMillis() < end) {
      Thread brief = new Thread(() -> zip(100));
      brief.start();
      brief.join();
      Thread.sleep(1);
    }
    stop = true;
    for (Thread thread : threads) thread.join();
    System.out.println("done");
  }
}
