# Writes TO from the text file FROM: a header with the text as `static const char NAME[]`. Run as: cmake -DFROM=.. -DNAME=.. -DTO=.. -P embed_text.cmake
file(READ "${FROM}" text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "?" "\\?" text "${text}") # no trigraphs
string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
get_filename_component(base "${FROM}" NAME)
file(WRITE "${TO}" "/* Generated from ${base}: do not edit. */\nstatic const char ${NAME}[] =\n    \"${text}\";\n")
