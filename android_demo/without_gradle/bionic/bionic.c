/*
 * The functions of the C library of Android that the Android library of TensorFlow Lite (x86-64) needs, implemented with glibc. With them,
 * the library runs in the Java of this machine, and tests use the same interpreter as the app.
 *
 * Most functions are the same in both: a jump under the version that Android gives its symbols. The rest is below. The types that cross
 * (mutexes, conditions, stat) have the same size and the same zero state on x86-64. Not for anything but tests.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT(name) __asm__(".symver bionic_" #name "," #name "@LIBC")
#define FORWARD(name)                                                                              \
  __asm__(".text\n.globl bionic_" #name "\n.type bionic_" #name ",@function\n"                    \
          "bionic_" #name ": jmp " #name "@PLT\n.symver bionic_" #name "," #name "@LIBC\n")

/* Memory and strings. */
FORWARD(bsearch); FORWARD(calloc); FORWARD(free); FORWARD(malloc); FORWARD(memalign); FORWARD(memchr); FORWARD(memcmp);
FORWARD(memcpy); FORWARD(memmove); FORWARD(memset); FORWARD(posix_memalign); FORWARD(qsort); FORWARD(realloc); FORWARD(strcmp);
FORWARD(strerror); FORWARD(strlen); FORWARD(strncmp); FORWARD(strncpy); FORWARD(strtod); FORWARD(strtol); FORWARD(strtoll_l);
FORWARD(strtoull_l); FORWARD(snprintf); FORWARD(vasprintf); FORWARD(vsnprintf); FORWARD(newlocale); FORWARD(freelocale);
/* Files, maps, the process. */
FORWARD(abort); FORWARD(clock_gettime); FORWARD(close); FORWARD(closelog); FORWARD(exit); FORWARD(fopen); FORWARD(fread);
FORWARD(flock); FORWARD(fstat); FORWARD(fsync); FORWARD(getenv); FORWARD(getpagesize); FORWARD(getuid); FORWARD(madvise);
FORWARD(mmap); FORWARD(mprotect); FORWARD(mremap); FORWARD(munmap); FORWARD(nanosleep); FORWARD(open); FORWARD(openlog);
FORWARD(read); FORWARD(rename); FORWARD(syscall); FORWARD(syslog); FORWARD(time); FORWARD(write);
FORWARD(__cxa_atexit); FORWARD(__cxa_finalize); FORWARD(__stack_chk_fail);
FORWARD(dl_iterate_phdr); FORWARD(dlclose); FORWARD(dlerror); FORWARD(dlopen); FORWARD(dlsym);
/* Threads. */
FORWARD(pthread_cond_broadcast); FORWARD(pthread_cond_destroy); FORWARD(pthread_cond_init); FORWARD(pthread_cond_signal);
FORWARD(pthread_cond_wait); FORWARD(pthread_create); FORWARD(pthread_equal); FORWARD(pthread_getspecific); FORWARD(pthread_join);
FORWARD(pthread_key_create); FORWARD(pthread_key_delete); FORWARD(pthread_mutex_destroy); FORWARD(pthread_mutex_init);
FORWARD(pthread_mutex_lock); FORWARD(pthread_mutex_unlock); FORWARD(pthread_once); FORWARD(pthread_rwlock_rdlock);
FORWARD(pthread_rwlock_unlock); FORWARD(pthread_rwlock_wrlock); FORWARD(pthread_self); FORWARD(pthread_setspecific);
/* Mathematics. */
FORWARD(atan2); FORWARD(atan2f); FORWARD(cos); FORWARD(cosf); FORWARD(erfcf); FORWARD(exp); FORWARD(expf); FORWARD(expm1f);
FORWARD(fmodf); FORWARD(frexp); FORWARD(hypot); FORWARD(hypotf); FORWARD(ldexp); FORWARD(log); FORWARD(log1p); FORWARD(logf);
FORWARD(nanf); FORWARD(pow); FORWARD(powf); FORWARD(sincos); FORWARD(sincosf); FORWARD(sinf); FORWARD(tanhf);

/* Android's standard streams are an array in the library, of 152 bytes each. */
char bionic___sF[3][152];
EXPORT(__sF);

static FILE *stream(void *file) {
  ptrdiff_t offset = (char *)file - (char *)bionic___sF;
  if (offset < 0 || offset >= (ptrdiff_t)sizeof bionic___sF) return file;
  return offset == 0 ? stdin : offset == sizeof bionic___sF[0] ? stdout : stderr;
}

int bionic_fclose(void *file) { return fclose(stream(file)); }
EXPORT(fclose);
int bionic_fflush(void *file) { return fflush(file ? stream(file) : NULL); }
EXPORT(fflush);
int bionic_fileno(void *file) { return fileno(stream(file)); }
EXPORT(fileno);
int bionic_fputc(int c, void *file) { return fputc(c, stream(file)); }
EXPORT(fputc);
size_t bionic_fwrite(const void *data, size_t size, size_t count, void *file) { return fwrite(data, size, count, stream(file)); }
EXPORT(fwrite);
int bionic_vfprintf(void *file, const char *format, va_list values) { return vfprintf(stream(file), format, values); }
EXPORT(vfprintf);
int bionic_fprintf(void *file, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int written = vfprintf(stream(file), format, values);
  va_end(values);
  return written;
}
EXPORT(fprintf);

int *bionic___errno(void) { return &errno; }
EXPORT(__errno);
extern int __xpg_strerror_r(int number, char *text, size_t size);
int bionic_strerror_r(int number, char *text, size_t size) { return __xpg_strerror_r(number, text, size); }
EXPORT(strerror_r);

/* The numbers differ: 39 and 40 are the page size, 96 and 97 the processors. */
long bionic_sysconf(int name) {
  if (name == 39 || name == 40) return sysconf(_SC_PAGESIZE);
  if (name == 96 || name == 97) return sysconf(name == 96 ? _SC_NPROCESSORS_CONF : _SC_NPROCESSORS_ONLN);
  fprintf(stderr, "bionic: sysconf(%d) is not known\n", name);
  return -1;
}
EXPORT(sysconf);

/* The checked functions, without the checks. */
void *bionic___memmove_chk(void *to, const void *from, size_t size, size_t room) { return memmove(to, from, size); }
EXPORT(__memmove_chk);
int bionic___open_2(const char *path, int flags) { return open(path, flags); }
EXPORT(__open_2);
ssize_t bionic___read_chk(int file, void *data, size_t size, size_t room) { return read(file, data, size); }
EXPORT(__read_chk);
size_t bionic___strlen_chk(const char *text, size_t room) { return strlen(text); }
EXPORT(__strlen_chk);
int bionic___vsnprintf_chk(char *to, size_t size, int flags, size_t room, const char *format, va_list values) {
  return vsnprintf(to, size, format, values);
}
EXPORT(__vsnprintf_chk);

/* Functions that only Android has. */
int bionic___system_property_get(const char *name, char *value) { return *value = 0; }
EXPORT(__system_property_get);
void bionic_android_set_abort_message(const char *message) { fprintf(stderr, "%s\n", message); }
EXPORT(android_set_abort_message);
int __android_log_vprint(int priority, const char *tag, const char *format, va_list values) {
  fprintf(stderr, "%s: ", tag);
  int written = vfprintf(stderr, format, values);
  fputc('\n', stderr);
  return written;
}
