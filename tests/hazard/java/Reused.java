import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/** Classes of one shape one after the other, each unloaded before the next comes: where the first one's
 *  method was, the next one's is. Prints the names of those that allocated. */
public class Reused {
  /** Its name has digits that are replaced. */
  public static class Shape000 implements Runnable {
    public void run() { Frames.UNSAFE.freeMemory(Frames.UNSAFE.allocateMemory(Frames.BYTES)); }
  }

  static class Loader extends ClassLoader {
    Class<?> define(byte[] bytes) { return defineClass(null, bytes, 0, bytes.length); }
  }

  static void one(byte[] shape, int number) throws ReflectiveOperationException {
    byte[] bytes = shape.clone();
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    byte[] digits = String.format("Shape%03d", number).getBytes(StandardCharsets.ISO_8859_1);
    for (int at = text.indexOf("Shape000"); at >= 0; at = text.indexOf("Shape000", at + 1)) {
      System.arraycopy(digits, 0, bytes, at, digits.length);
    }
    Class<?> made = new Loader().define(bytes);
    ((Runnable) made.getDeclaredConstructor().newInstance()).run();
    System.out.println(made.getName());
  }

  public static void main(String[] arguments) throws IOException, ReflectiveOperationException {
    byte[] shape;
    try (InputStream in = Reused.class.getResourceAsStream("/Reused$Shape000.class")) {
      shape = in.readAllBytes();
    }
    for (int number = 1; number <= 60; number++) {
      one(shape, number);
      System.gc();
    }
  }
}
