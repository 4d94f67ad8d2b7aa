# The naive rule has to lose rows, or the test that compares could not fail.
separate_arguments(ARGUMENTS)
execute_process(COMMAND "${PROGRAM}" --naive ${ARGUMENTS}
                RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE errors)
message("${output}${errors}")
if(NOT status EQUAL 1 OR NOT output MATCHES "missed [1-9]")
  message(FATAL_ERROR "exit status ${status}: no row was missed")
endif()
