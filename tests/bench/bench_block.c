/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-block                what judging costs, beside memcpy() and cat
 * bench-block judge <DATA    the verdicts on blocks of each size, for calibrate.py
 * bench-block limits         how often random blocks pass the chi-square limit
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"
#include "measure/block.h"

#define ITEMS(array) (sizeof(array) / sizeof(*(array)))
#define BUFFER	     ((size_t)VR_MIB)

static void *
insist(void *p, const char *what)
{
	if (!p) {
		perror(what);
		exit(1);
	}
	return p;
}

/* --- speed ------------------------------------------------------------------ */

/* The best of many short runs: the others measure what else the machine does. */
#define RUNS	      9
#define BYTES_PER_RUN BUFFER
#define CAT_BYTES     (256 * BUFFER)
#define CAT_BUFFER    ((size_t)128 << 10)

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

typedef unsigned judge_fn(const struct vr_block_counter *counter,
			  const uint8_t *bytes, size_t n);

static unsigned
looks(const struct vr_block_counter *counter, const uint8_t *bytes, size_t n)
{
	return vr_block_looks_by(counter, bytes, n);
}

static unsigned
glance(const struct vr_block_counter *counter, const uint8_t *bytes, size_t n)
{
	(void)counter;
	return vr_block_glance(bytes, n);
}

static unsigned
copy(const struct vr_block_counter *counter, const uint8_t *bytes, size_t n)
{
	static uint8_t there[BUFFER];

	(void)counter;
	memcpy(there, bytes, n);
	__asm__ volatile("" : : "r"(there) : "memory");
	return 0;
}

/* GB/s over the buffer, block by block. */
static double
speed(judge_fn *judge, const struct vr_block_counter *counter,
      const uint8_t *bytes, size_t n)
{
	double best = 1e9;

	for (unsigned run = 0; run < RUNS; run++) {
		double start = seconds();

		for (size_t done = 0; done < BYTES_PER_RUN; done += n)
			judge(counter, bytes + done % BUFFER, n);
		best = fmin(best, seconds() - start);
	}
	return (double)BYTES_PER_RUN / best / 1e9;
}

/* What cat would do with a file that is in memory already. */
static double
cat_speed(void)
{
	FILE *file = insist(tmpfile(), "tmpfile");
	uint8_t *buffer = insist(calloc(1, BUFFER), "calloc");
	double best = 1e9;

	for (size_t done = 0; done < CAT_BYTES; done += BUFFER)
		if (fwrite(buffer, 1, BUFFER, file) != BUFFER)
			insist(NULL, "fwrite");
	fflush(file);
	for (unsigned run = 0; run < RUNS; run++) {
		double start = seconds();
		off_t off = 0;
		ssize_t got;

		while ((got = pread(fileno(file), buffer, CAT_BUFFER, off)) > 0)
			off += got;
		best = fmin(best, seconds() - start);
	}
	free(buffer);
	fclose(file);
	return (double)CAT_BYTES / best / 1e9;
}

/* The file's beginning, as often as it fits. */
static void
fill_from(const char *path, uint8_t *bytes)
{
	FILE *file = insist(fopen(path, "rb"), path);
	size_t got = fread(bytes, 1, BUFFER, file);

	for (size_t i = got; got && i < BUFFER; i++)
		bytes[i] = bytes[i - got];
	fclose(file);
}

static const char *
first_readable(const char *const *paths)
{
	while (paths[1] && access(*paths, R_OK) != 0)
		paths++;
	return *paths;
}

static void
fill(const char *input, uint8_t *bytes)
{
	static const char *const texts[] = {"/usr/share/common-licenses/GPL-3",
					    "/etc/services", "/proc/self/maps",
					    NULL};
	static const char *const programs[] = {"/usr/bin/bash", "/bin/bash",
					       "/proc/self/exe", NULL};

	memset(bytes, 0, BUFFER);
	if (strcmp(input, "text") == 0)
		fill_from(first_readable(texts), bytes);
	else if (strcmp(input, "ELF") == 0)
		fill_from(first_readable(programs), bytes);
	else if (strcmp(input, "random") == 0)
		fill_from("/dev/urandom", bytes);
}

static void
print_row(const char *input, const uint8_t *bytes, size_t n, double cat)
{
	const struct vr_block_counter *counter;
	double copied = speed(copy, NULL, bytes, n), judged = 0, best = 0;

	printf("%-7s %7zu", input, n);
	for (size_t i = 0; (counter = vr_block_counter(i)); i++) {
		judged = counter->usable() ? speed(looks, counter, bytes, n)
					   : NAN;
		best = fmax(best, judged);
		printf(" %9.2f", judged);
	}
	printf(" %9.2f %10.2f %7.2f\n", speed(glance, NULL, bytes, n),
	       best / copied, best / cat);
}

static int
show_speed(void)
{
	static const char *const inputs[] = {"zero", "text", "ELF", "random"};
	static const size_t sizes[] = {512, 4096, 65536, BUFFER};
	uint8_t *bytes = insist(malloc(BUFFER), "malloc");
	const struct vr_block_counter *counter;
	double cat = cat_speed();

	printf("GB/s of one thread; cat %.2f\n%-7s %7s", cat, "", "block");
	for (size_t i = 0; (counter = vr_block_counter(i)); i++)
		printf(" %9s", counter->name);
	printf(" %9s %10s %7s\n", "glance", "x memcpy", "x cat");
	for (size_t i = 0; i < ITEMS(inputs); i++) {
		fill(inputs[i], bytes);
		for (size_t j = 0; j < ITEMS(sizes); j++)
			print_row(inputs[i], bytes, sizes[j], cat);
	}
	free(bytes);
	return 0;
}

/* --- verdicts --------------------------------------------------------------- */

struct tally {
	uint64_t looks[VR_LOOKS], glance_random, blocks;
};

static void
judge_all(const uint8_t *bytes, size_t got, size_t n, struct tally *tally)
{
	for (size_t at = 0; n <= got - at; at += n) {
		enum vr_looks verdict = vr_block_looks(bytes + at, n);
		bool noise = vr_looks_noise(vr_block_glance(bytes + at, n));

		tally->looks[verdict]++;
		tally->glance_random += noise;
		tally->blocks++;
	}
}

/* One line for each size: the size, each verdict's number, noise at a glance. */
static int
judge_input(void)
{
	static const size_t sizes[] = {512, 4096, 65536, BUFFER};
	uint8_t *bytes = insist(malloc(BUFFER), "malloc");
	struct tally tallies[ITEMS(sizes)] = {0};
	size_t got;

	while ((got = fread(bytes, 1, BUFFER, stdin)))
		for (size_t i = 0; i < ITEMS(sizes); i++)
			judge_all(bytes, got, sizes[i], &tallies[i]);
	for (size_t i = 0; i < ITEMS(sizes); i++) {
		printf("%zu", sizes[i]);
		for (unsigned j = 0; j < VR_LOOKS; j++)
			printf(" %" PRIu64, tallies[i].looks[j]);
		printf(" %" PRIu64 "\n", tallies[i].glance_random);
	}
	free(bytes);
	return 0;
}

/* --- the limit of chi-square ------------------------------------------------ */

/*
 * The exact distribution of the sum of the squared counts of n random bytes: cell
 * by cell, cells of a Poisson distribution, and only at the end is their total
 * taken to be n, which makes them the cells of n bytes. Totals that lie more than
 * ten standard deviations off the way to n are left out.
 */
struct dp {
	size_t n, squares_most, count_most;
	double *now, *next, *weights;
};

static double *
dp_row(const struct dp *dp, double *table, size_t total)
{
	return table + total * (dp->squares_most + 1);
}

static void
dp_add_count(const struct dp *dp, size_t total, size_t count)
{
	const double *from = dp_row(dp, dp->now, total);
	double *to = dp_row(dp, dp->next, total + count) + count * count;
	double weight = dp->weights[count];

	for (size_t q = 0; q + count * count <= dp->squares_most; q++)
		to[q] += weight * from[q];
}

static void
dp_add_cell(struct dp *dp, unsigned cell)
{
	double share = cell / 256.0, n = (double)dp->n, *old = dp->now;
	double spread = 10 * sqrt(n * share * (1 - share)) + 20;
	size_t low = (size_t)fmax(0, n * share - spread);
	size_t high = (size_t)fmin(n, n * share + spread);

	memset(dp->next, 0,
	       (dp->n + 1) * (dp->squares_most + 1) * sizeof(double));
	for (size_t total = low; total <= high; total++)
		for (size_t c = 0; c <= vr_min(dp->count_most, dp->n - total);
		     c++)
			dp_add_count(dp, total, c);
	dp->now = dp->next;
	dp->next = old;
}

static double
log_poisson(double mean, double count)
{
	return count * log(mean) - mean - lgamma(count + 1);
}

static struct dp
dp_new(size_t n, double chi_square_most)
{
	double mean = (double)n / 256;
	struct dp dp = {
		.n = n,
		.squares_most = (size_t)((chi_square_most + (double)n) * mean),
		.count_most = (size_t)(mean + 12 * sqrt(mean) + 30),
	};
	size_t cells = (n + 1) * (dp.squares_most + 1);

	dp.now = insist(calloc(cells, sizeof(double)), "calloc");
	dp.next = insist(calloc(cells, sizeof(double)), "calloc");
	dp.weights =
		insist(calloc(dp.count_most + 1, sizeof(double)), "calloc");
	for (size_t c = 0; c <= dp.count_most; c++)
		dp.weights[c] = exp(log_poisson(mean, (double)c));
	dp.now[0] = 1;
	for (unsigned cell = 0; cell < 256; cell++)
		dp_add_cell(&dp, cell);
	return dp;
}

/* The probability of more than the limit, from what lies between it and most. */
static double
dp_tail(const struct dp *dp, double limit)
{
	const double *squares = dp_row(dp, dp->now, dp->n);
	double n = (double)dp->n, tail = 0;

	for (size_t q = dp->squares_most + 1; q-- > 0;) {
		if ((double)q * 256 / n - n <= limit)
			break;
		tail += squares[q];
	}
	return tail / exp(log_poisson(n, n));
}

static int
show_limits(void)
{
	static const size_t sizes[] = {512, 640, 768, 1024};
	static const int limits[] = {440, 450, 460, 470};

	printf("log2 of the probability that chi-square is larger than\n");
	printf("%5s", "bytes");
	for (size_t i = 0; i < ITEMS(limits); i++)
		printf(" %6d", limits[i]);
	for (size_t i = 0; i < ITEMS(sizes); i++) {
		struct dp dp = dp_new(sizes[i], 600);

		printf("\n%5zu", sizes[i]);
		for (size_t j = 0; j < ITEMS(limits); j++)
			printf(" %6.1f", log2(dp_tail(&dp, limits[j])));
		fflush(stdout);
		free(dp.now);
		free(dp.next);
		free(dp.weights);
	}
	printf("\n");
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 1)
		return show_speed();
	if (argc == 2 && strcmp(argv[1], "judge") == 0)
		return judge_input();
	if (argc == 2 && strcmp(argv[1], "limits") == 0)
		return show_limits();
	fprintf(stderr, "usage: bench-block [judge|limits]\n");
	return 2;
}
