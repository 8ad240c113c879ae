/* Usage: modules_loop A.so B.so ROUNDS. Loads one, calls its allocate(), frees, unloads, then the
   other: they come to lie at the same addresses. Two threads allocate all the while. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int done;

static void* allocate_on(void* unused) {
  while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
    void* volatile block = malloc(64);
    free(block);
  }
  return unused;
}

static void once(const char* name, const char* path, int tell) {
  void* library = dlopen(path, RTLD_NOW);
  void* (*allocate)(void) = NULL;
  *(void**)&allocate = library == NULL ? NULL : dlsym(library, "allocate");
  if (allocate == NULL) {
    fprintf(stderr, "modules_loop: %s\n", dlerror());
    exit(1);
  }
  free(allocate());
  if (tell) {
    printf("%s %lu\n", name, (unsigned long)allocate);
  }
  dlclose(library);
}

int main(int count, char** arguments) {
  if (count != 4) {
    fputs("usage: modules_loop A.so B.so ROUNDS\n", stderr);
    return 2;
  }
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) {
    pthread_create(&threads[i], NULL, allocate_on, NULL);
  }
  const int rounds = atoi(arguments[3]);
  for (int i = 0; i < rounds; ++i) {
    once("a", arguments[1], i == 0);
    once("b", arguments[2], i == 0);
  }
  __atomic_store_n(&done, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < 2; ++i) {
    pthread_join(threads[i], NULL);
  }
  return 0;
}
