// What a handler does, five times, as work.py: sleeps, asks a slow server, writes and reads files, runs
// a child, waits for a thread. Usage: Work PORT
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;

public class Work {
  private static void files() throws Exception {
    Path folder = Files.createTempDirectory("work");
    for (int i = 0; i < 20; i++) {
      Files.writeString(folder.resolve("" + i), "x".repeat(1000));
    }
    try (var names = Files.list(folder)) {
      for (Path path : (Iterable<Path>) names::iterator) {
        Files.readString(path);
        Files.size(path);
        Files.delete(path);
      }
    }
    Files.delete(folder);
  }

  public static void main(String[] arguments) throws Exception {
    for (int round = 0; round < 5; round++) {
      Thread.sleep(200);
      try (var answer = new URL("http://127.0.0.1:" + arguments[0] + "/").openStream()) {
        answer.readAllBytes();
      }
      files();
      new ProcessBuilder("sleep", "0.03").start().waitFor();
      var latch = new CountDownLatch(1);
      new Thread(() -> {
        try {
          Thread.sleep(100);
        } catch (InterruptedException stop) {
          Thread.currentThread().interrupt();
        }
        latch.countDown();
      }).start();
      latch.await();
    }
  }
}
