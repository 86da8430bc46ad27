// Opening shared libraries.
#pragma once

#include <string>

namespace osdn::runtime {

/// Opens a library by path or soname and keeps it for the life of the process. Null with the reason on failure.
void* open_library(const std::string& name, std::string& reason);

/// Closes a library that was opened only to look at it.
void* open_library_briefly(const std::string& name, std::string& reason);
void close_library(void* library);

/// The file a library was loaded from; `fallback` where the loader does not say.
std::string path_of(void* library, const std::string& fallback);

/// The folder of the library or program that this code is in; empty where unknown.
std::string own_folder();

}  // namespace osdn::runtime
