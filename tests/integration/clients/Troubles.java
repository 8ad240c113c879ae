import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Field;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** The troubles of the table in docs/clients.md, for AWS's Java client. */
public class Troubles {
  private static final List<byte[]> KEPT = new ArrayList<>();
  private static int number;

  static int ask(int port) {
    try (Socket socket = new Socket("127.0.0.1", port)) {
      OutputStream out = socket.getOutputStream();
      out.write("GET / HTTP/1.1\r\nHost: quiet\r\n\r\n".getBytes());
      InputStream in = socket.getInputStream();
      return in.read();
    } catch (java.io.IOException e) {
      throw new IllegalStateException(e);
    }
  }

  static void askInWorker(int port) {
    CompletableFuture.supplyAsync(() -> ask(port)).join();
  }

  static void compute() {
    while (true) {
      number = number * 31 + 7;
    }
  }

  static void remember() {
    while (true) {
      KEPT.add(new byte[1 << 20]);
    }
  }

  static void crash() throws Exception {
    Field field = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe");
    field.setAccessible(true);
    ((sun.misc.Unsafe) field.get(null)).getInt(8L);
  }

  public Map<String, String> handle(Map<String, Object> event) throws Exception {
    String way = (String) event.get("way");
    int port = ((Number) event.get("port")).intValue();
    switch (way) {
      case "error" -> throw new IllegalArgumentException("no such customer");
      case "busy" -> compute();
      case "silent" -> ask(port);
      case "worker" -> askInWorker(port);
      case "memory" -> remember();
      case "exit" -> Runtime.getRuntime().halt(3);
      case "crash" -> crash();
      default -> { }
    }
    return Map.of("way", way);
  }
}
