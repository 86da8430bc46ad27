# What every target of the project has in common: the language, the warnings, the sanitizers.
function(osdn_target name)
  target_compile_features(${name} PUBLIC cxx_std_20)
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion)
  if(OSDN_WARNINGS_AS_ERRORS)
    target_compile_options(${name} PRIVATE -Werror)
  endif()
  if(OSDN_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${OSDN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${name} PRIVATE -fsanitize=${OSDN_SANITIZE})
  endif()
endfunction()

# A library that becomes part of libosdn: what is public says so itself (osdn/export.h), all else stays inside.
function(osdn_room name)
  osdn_target(${name})
  set_target_properties(${name} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()

# osdn_quick_to_compile(<target>): for what computes little itself. A third less time to compile; what g++ warns of by
# mistake with -O1 alone is left out.
function(osdn_quick_to_compile name)
  target_compile_options(${name} PRIVATE
    $<$<CONFIG:Release>:-O1> $<$<AND:$<CONFIG:Release>,$<CXX_COMPILER_ID:GNU>>:-Wno-maybe-uninitialized>)
endfunction()

# osdn_test(<room> <files...> [LIBRARIES ...]): one GoogleTest program per room, discovered test by test.
function(osdn_test room)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LIBRARIES")
  add_executable(test_${room} ${arg_UNPARSED_ARGUMENTS})
  osdn_target(test_${room})
  osdn_quick_to_compile(test_${room})
  target_link_libraries(test_${room} PRIVATE ${arg_LIBRARIES} GTest::gtest_main)
  target_compile_definitions(test_${room} PRIVATE OSDN_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
                                                  OSDN_EMULATOR_LIBRARY="$<TARGET_FILE:osdn_emulator>")
  add_dependencies(test_${room} osdn_emulator)
  add_test(NAME ${room} COMMAND test_${room})
endfunction()
