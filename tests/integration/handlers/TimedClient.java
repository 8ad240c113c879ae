// A small client of Lambda's Runtime API and a function whose time is known, in plain Java: the same
// work as timed.py's, one after the other, and the same answer.
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.ReentrantLock;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class TimedClient {
  private static final String API =
      "http://" + System.getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/";
  private static final ReentrantLock LOCK = new ReentrantLock();

  private static void firstByte(int port) throws Exception {
    try (Socket socket = new Socket("127.0.0.1", port)) {
      socket.getOutputStream().write("GET / HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.UTF_8));
      socket.getInputStream().readAllBytes();
    }
  }

  private static void lockFor(double seconds) throws Exception {
    CountDownLatch taken = new CountDownLatch(1);
    Thread holder = new Thread(() -> {
      LOCK.lock();
      try {
        taken.countDown();
        Thread.sleep((long) (seconds * 1000));
      } catch (InterruptedException stop) {
        Thread.currentThread().interrupt();
      } finally {
        LOCK.unlock();
      }
    });
    holder.start();
    taken.await();
    LOCK.lock();
    LOCK.unlock();
    holder.join();
  }

  private static void read(String path) throws Exception {
    byte[] piece = new byte[1 << 20];
    try (InputStream file = new FileInputStream(path)) {
      while (file.read(piece) > 0) {
      }
    }
  }

  private static void burn(double seconds) {
    var threads = ManagementFactory.getThreadMXBean();
    long end = threads.getCurrentThreadCpuTime() + (long) (seconds * 1e9);
    while (threads.getCurrentThreadCpuTime() < end) {
    }
  }

  private static void work(String name, String argument) throws Exception {
    switch (name) {
      case "sleep" -> Thread.sleep((long) (Double.parseDouble(argument) * 1000));
      case "network" -> firstByte(Integer.parseInt(argument));
      case "lock" -> lockFor(Double.parseDouble(argument));
      case "child" -> new ProcessBuilder("sleep", argument).start().waitFor();
      case "cpu" -> burn(Double.parseDouble(argument));
      case "dns" -> InetAddress.getByName(argument);
      case "read" -> read(argument);
      default -> throw new IllegalArgumentException(name);
    }
  }

  private static String handle(String event) throws Exception {
    StringBuilder took = new StringBuilder("{");
    Matcher parts = Pattern.compile("\"(\\w+)\":\\s*\"?([^,\"}]+)").matcher(event);
    while (parts.find()) {
      long begin = System.nanoTime();
      work(parts.group(1), parts.group(2));
      took.append(took.length() > 1 ? "," : "")
          .append('"').append(parts.group(1)).append("\":")
          .append((System.nanoTime() - begin) / 1e6);
    }
    return took.append('}').toString();
  }

  public static void main(String[] arguments) throws Exception {
    while (true) {
      HttpURLConnection next = (HttpURLConnection) new URL(API + "next").openConnection();
      String id = next.getHeaderField("Lambda-Runtime-Aws-Request-Id");
      String event;
      try (InputStream body = next.getInputStream()) {
        event = new String(body.readAllBytes(), StandardCharsets.UTF_8);
      }
      byte[] answer = handle(event).getBytes(StandardCharsets.UTF_8);
      HttpURLConnection post = (HttpURLConnection) new URL(API + id + "/response").openConnection();
      post.setDoOutput(true);
      try (OutputStream body = post.getOutputStream()) {
        body.write(answer);
      }
      post.getInputStream().readAllBytes();
    }
  }
}
