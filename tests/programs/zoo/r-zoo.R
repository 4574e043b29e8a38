# R: a solve at every step, an environment, a connection, the random number generator. Usage: Rscript r-zoo.R SECONDS
steps <- as.integer(commandArgs(trailingOnly = TRUE)[1]) * 20L
check <- function(condition, what) if (!isTRUE(condition)) {
  message(what)
  quit(status = 1)
}
set.seed(4)
drawn <- numeric(0)
seen <- new.env()
log <- file("log.txt", "w+")
matrix4 <- outer(1:60, 1:60, function(i, j) (i * j) %% 7) + diag(50, 60)
for (i in 0:(steps - 1L)) {
  cat(i, "\n", sep = "")
  x <- solve(matrix4, matrix4 %*% rep(i, 60))
  check(all.equal(as.vector(x), rep(i, 60)), paste("the equations have another solution at", i))
  drawn <- c(drawn, runif(1))
  assign(paste0("k", i), i, envir = seen)
  check(length(ls(seen)) == i + 1L, paste("the environment has lost something at", i))
  writeLines(as.character(i), log)
  Sys.sleep(0.05)
}
set.seed(4)
check(identical(drawn, runif(steps)), "other random numbers")
flush(log)
check(identical(as.integer(readLines("log.txt")), 0:(steps - 1L)), "the file has something else")
close(log)
cat("ok r-zoo\n")
