/** Allocates on a virtual thread, before it was ever parked and after. */
public class Virtual {
  static int sink;

  static void recursive(int n, boolean park) {
    if (n == 0) {
      if (park) {
        try {
          Thread.sleep(5);
        } catch (InterruptedException e) {
          throw new AssertionError(e);
        }
        parked();
      } else {
        fresh();
      }
      return;
    }
    recursive(n - 1, park);
    sink += n;
  }

  static void fresh() { Frames.UNSAFE.freeMemory(Frames.UNSAFE.allocateMemory(Frames.BYTES)); }

  static void parked() { Frames.UNSAFE.freeMemory(Frames.UNSAFE.allocateMemory(Frames.BYTES)); }

  public static void main(String[] arguments) throws InterruptedException {
    for (int round = 0; round < 3; round++) {
      Thread.ofVirtual().start(() -> recursive(50, false)).join();
      Thread.ofVirtual().start(() -> recursive(50, true)).join();
    }
  }
}
