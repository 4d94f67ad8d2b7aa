// Boost.JSON is made of headers only; this is where its functions are compiled.
#include <boost/json/src.hpp>
