# cmake -D WEB=web -D INTO=folder -D ESBUILD=program -P embed.cmake
# Compiles the chat page and writes it as INTO/web_assets.cpp (src/serve/web_page.h).
#
# Type annotations are only taken off here; tests/web holds them to be right.  Same sources, same
# bytes: the ETags and the service worker's version are hashes of what is served.
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE code ERROR_VARIABLE errors)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "web: ${errors}")
  endif()
endfunction()

set(built ${INTO}/page)
file(REMOVE_RECURSE ${built})
file(MAKE_DIRECTORY ${built})
set(esbuild ${ESBUILD} --minify --target=es2022 --charset=utf8 --log-level=warning)
run(${esbuild} --bundle ${WEB}/src/main.ts --outfile=${built}/app.js)
run(${esbuild} ${WEB}/app.css --outfile=${built}/app.css)
file(COPY ${WEB}/index.html ${WEB}/manifest.webmanifest ${WEB}/icons/icon.svg
     ${WEB}/icons/icon-192.png ${WEB}/icons/icon-512.png DESTINATION ${built})

# Path in the server, file, type; sw.js comes last, as it knows the hashes of the others.
set(assets
  "/|index.html|text/html"
  "/app.css|app.css|text/css"
  "/app.js|app.js|text/javascript"
  "/manifest.webmanifest|manifest.webmanifest|application/manifest+json"
  "/icon.svg|icon.svg|image/svg+xml"
  "/icon-192.png|icon-192.png|image/png"
  "/icon-512.png|icon-512.png|image/png")
set(hashes)
set(paths)
foreach(asset ${assets})
  string(REPLACE "|" ";" asset "${asset}")
  list(GET asset 0 path)
  list(GET asset 1 file)
  file(SHA256 ${built}/${file} hash)
  string(APPEND hashes ${hash})
  if(NOT path MATCHES "png$")  # pictures for the installation are not needed away from the server
    list(APPEND paths "\"${path}\"")
  endif()
endforeach()
string(SHA256 version "${hashes}")
string(SUBSTRING ${version} 0 16 version)
string(REPLACE ";" "," paths "${paths}")
run(${esbuild} --bundle ${WEB}/src/sw.ts "--define:VERSION=\"${version}\""
    "--define:ASSETS=[${paths}]" --outfile=${built}/sw.js)
list(APPEND assets "/sw.js|sw.js|text/javascript")

# array(OUT FILE NAME): the file's bytes as a C++ array.
function(array out file name)
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  set(${out} "constexpr unsigned char ${name}[] = {${bytes}};\n" PARENT_SCOPE)
endfunction()

set(arrays)
set(entries)
set(number 0)
foreach(asset ${assets})
  string(REPLACE "|" ";" asset "${asset}")
  list(GET asset 0 path)
  list(GET asset 1 file)
  list(GET asset 2 type)
  if(type MATCHES "^text/")
    string(APPEND type "; charset=utf-8")
  endif()
  math(EXPR number "${number} + 1")
  file(SHA256 ${built}/${file} hash)
  string(SUBSTRING ${hash} 0 16 hash)
  array(plain ${built}/${file} k${number})
  string(APPEND arrays "${plain}")
  set(zipped "{}")
  if(NOT file MATCHES "png$")
    execute_process(COMMAND gzip -9nc ${built}/${file} OUTPUT_FILE ${built}/${file}.gz
                    RESULT_VARIABLE code)
    if(NOT code EQUAL 0)
      message(FATAL_ERROR "web: gzip failed on ${built}/${file}")
    endif()
    array(packed ${built}/${file}.gz k${number}z)
    string(APPEND arrays "${packed}")
    set(zipped "view(k${number}z)")
  endif()
  string(APPEND entries
         "    {\"${path}\", \"${type}\", \"\\\"${hash}\\\"\", view(k${number}), ${zipped}},\n")
endforeach()

file(WRITE ${INTO}/web_assets.cpp
"// Made by web/embed.cmake.
#include \"serve/web_page.h\"

namespace hadal {
namespace {

template <size_t n>
std::string_view view(const unsigned char (&bytes)[n]) {
  return {reinterpret_cast<const char*>(bytes), n};
}

${arrays}
}  // namespace

std::span<const WebAsset> web_assets() {
  static const WebAsset kAll[] = {
${entries}  };
  return kAll;
}

}  // namespace hadal
")
