/* What the shared library exports: the declarations marked so, and nothing else. C and C++. */
#ifndef OSDN_EXPORT_H
#define OSDN_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#define OSDN_API __attribute__((visibility("default")))
#else
#define OSDN_API
#endif

#endif
